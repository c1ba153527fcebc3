import { describeDriver } from './contract.js';
import { sshUnderTest } from './ssh-peer.js';

describeDriver(sshUnderTest('ssh2'));
