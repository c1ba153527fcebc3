import { describeDriver } from './contract.js';
import { echoUnderTest } from './echo-peer.js';

describeDriver(echoUnderTest);
