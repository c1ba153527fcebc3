/** A line of the log for a person: time of day, level, message, and the rest as `name=value`. */
export function pretty(line: string): string {
  const { time, level, msg, err, ...rest } = JSON.parse(line) as Line;
  const fields = Object.entries(rest).map(([name, value]) => ` ${name}=${worded(value)}`);
  const trouble = err === undefined ? '' : `\n  ${visible(String(err.stack ?? err.message))}`;
  return `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${visible(msg ?? '')}${fields.join('')}${trouble}\n`;
}

interface Line {
  time: string;
  level: string;
  msg?: string;
  err?: { message?: string; stack?: string };
}

function worded(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"=]+$/.test(text) ? visible(text) : visible(JSON.stringify(value));
}

/** A terminal obeys control characters; a log must not command it. */
function visible(text: string): string {
  return text.replace(/[^\P{C}\n]/gu, (char) => `\\u${char.codePointAt(0)?.toString(16).padStart(4, '0')}`);
}
