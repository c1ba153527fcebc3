import { servedEngine } from '../support/served.js';
import { describeDriver } from './contract.js';
import { echoUnderTest } from './echo-peer.js';

describeDriver({ ...echoUnderTest, through: { name: 'a service', start: servedEngine } });
