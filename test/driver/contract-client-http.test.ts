import { servedEngine } from '../support/served.js';
import { describeDriver } from './contract.js';
import { httpUnderTest } from './http-peer.js';

// A service's callers reach no private network unless it is said, and the peer is in one.
const options = { http: { ...httpUnderTest.options?.http, deny: [] } };
describeDriver({ ...httpUnderTest, options, through: { name: 'a service', start: servedEngine } });
