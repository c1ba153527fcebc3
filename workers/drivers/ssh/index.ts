export function load(): Promise<never> { return Promise.reject(new Error("stub")); }
