import { existsSync, readdirSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BatchState, InputIdentity } from '../batch-types.js';
import { KeylaneError } from '../errors.js';
import type { EngineEvent } from '../events.js';
import { dataPath } from '../store/data-dir.js';
import { DATA_FILE } from '../store/files.js';
import type { Store } from '../store/store.js';
import type { Outcome } from '../types.js';
import { claim, ownerIn, whenUnowned } from './journal/claim.js';
import { Header } from './journal/header.js';
import { checkId, isId } from './journal/id.js';
import { openBatchStore } from './journal/journal.js';
import { Marks } from './journal/marks.js';
import { askToCancel, OwnerSocket, ownerLives } from './journal/owner.js';
import { Reader } from './journal/reader.js';
import {
  HEADERS,
  type JournalMeta,
  type JournalState,
  jsonRecord,
  OUTCOMES,
  OWNER,
  readMeta,
  readState,
  STATE,
} from './journal/records.js';
import { asSettled, type BatchLine, inOrder } from './journal/results.js';
import { unsubmitted } from './result.js';
import { lineOf } from './line.js';
