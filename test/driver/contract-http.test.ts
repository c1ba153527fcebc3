import { describeDriver } from './contract.js';
import { httpUnderTest } from './http-peer.js';

describeDriver(httpUnderTest);
