import { afterAll } from 'vitest';
import { Certificate } from '../support/certificate.js';
import { describeDriver } from './contract.js';
import { http2UnderTest } from './http-peer.js';

const certificate = new Certificate();
afterAll(() => certificate.remove());

describeDriver(http2UnderTest(certificate));
