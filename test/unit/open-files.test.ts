import { expect, test } from 'vitest';
import { openFilesLimit } from '../../src/util/open-files.ts';

const limits = (soft: string) => () =>
  `Limit                     Soft Limit           Hard Limit           Units
Max processes             63433                63433                processes
Max open files            ${soft.padEnd(20)} 1048576              files
Max locked memory         8388608              8388608              bytes
`;

test('the soft limit of open files is read as Linux tells it', () => {
  expect(openFilesLimit(limits('1024'))).toBe(1_024);
  expect(openFilesLimit(limits('unlimited'))).toBe(Number.POSITIVE_INFINITY);
});

test('where it cannot be known there is no bound by it', () => {
  const absent = () => {
    throw new Error('ENOENT');
  };
  for (const read of [absent, () => '', () => 'Max open files', limits('0'), limits('-3')]) {
    expect(openFilesLimit(read)).toBe(Number.POSITIVE_INFINITY);
  }
});

test('on Linux this process has one', { skip: process.platform !== 'linux' }, () => {
  expect(openFilesLimit()).toBeGreaterThan(0);
});
