/** What the server said it can do. (RFC 5321, 4.1.1.1) */
export interface Extensions {
  pipelining: boolean;
  eightBit: boolean;
  utf8: boolean;
  size: boolean;
  /** Bytes that a message may have; 0 where no bound is told. */
  mostBytes: number;
}

export function extensionsOf(ehlo: readonly string[]): Extensions {
  const found: Extensions = { pipelining: false, eightBit: false, utf8: false, size: false, mostBytes: 0 };
  for (const line of ehlo) {
    const [word = '', value = ''] = line.split(' ', 2);
    switch (word.toUpperCase()) {
      case 'PIPELINING':
        found.pipelining = true;
        break;
      case '8BITMIME':
        found.eightBit = true;
        break;
      case 'SMTPUTF8':
        found.utf8 = true;
        break;
      case 'SIZE':
        found.size = true;
        found.mostBytes = /^\d{1,15}$/.test(value) ? Number(value) : 0;
    }
  }
  return found;
}
