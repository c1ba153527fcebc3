import { servedEngine } from '../support/served.js';
import { describeDriver } from './contract.js';
import { smtpUnderTest } from './smtp-peer.js';

describeDriver({ ...smtpUnderTest, through: { name: 'a service', start: servedEngine } });
