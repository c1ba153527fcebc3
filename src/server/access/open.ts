import type { Principal } from '../parts.js';

/** Whoever may do everything. */
export const admin: Principal = {
  name: 'admin',
  check() {},
  checkRequest() {},
  take: () => () => {},
  sees: () => true,
};
