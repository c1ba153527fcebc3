import { servedEngine } from '../support/served.js';
import { describeDriver } from './contract.js';
import { httpUnderTest } from './http-peer.js';

describeDriver({ ...httpUnderTest, through: { name: 'a service', start: servedEngine } });
