export const spec = { name: 'no-load', parse: () => ({}), ok: () => true };
