/** `10,000`. Node's own `toLocaleString` takes 10 ms of CPU at its first use, which was a twentieth of a short command's. */
export function grouped(value: number | bigint): string {
  const [whole = '', ...fraction] = String(value).split('.');
  return [whole.replace(/\B(?=(?:\d{3})+$)/g, ','), ...fraction].join('.');
}
