import { describeDriver } from './contract.js';
import { smtpUnderTest } from './smtp-peer.js';

describeDriver(smtpUnderTest);
