import { servedEngine } from '../support/served.js';
import { describeDriver } from './contract.js';
import { sshUnderTest } from './ssh-peer.js';

describeDriver({ ...sshUnderTest('ssh2'), through: { name: 'a service', start: servedEngine } });
