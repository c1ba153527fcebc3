import { servedEngine } from '../support/served.js';
import { describeDriver } from './contract.js';
import { stdioUnderTest } from './stdio-peer.js';

describeDriver({ ...stdioUnderTest(), through: { name: 'a service', start: servedEngine } });
