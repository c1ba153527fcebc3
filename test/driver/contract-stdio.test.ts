import { describeDriver } from './contract.js';
import { stdioUnderTest } from './stdio-peer.js';

describeDriver(stdioUnderTest());
