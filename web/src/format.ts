// Numbers and names as people read them. Nothing here touches the page.

const sizeUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

function scaled(value: number, small: boolean): string {
  let bytes = Number.isFinite(value) ? Math.max(0, value) : 0;
  let unit = 0;
  while (bytes >= 1023.5 && unit + 1 < sizeUnits.length) {
    bytes /= 1024;
    unit += 1;
  }
  let whole = unit === 0 || bytes >= 99.95 || Number.isInteger(bytes);
  if (unit === 0 && small && bytes < 9.95 && !Number.isInteger(bytes)) {
    if (bytes < 0.05) return 'under 0.1 B';
    whole = false;
  }
  return `${bytes.toFixed(whole ? 0 : 1)} ${sizeUnits[unit]}`;
}

/** As the program writes it: 512 B, 1.5 KiB, 128 MiB. */
export function size(bytes: number): string {
  return scaled(bytes, false);
}

/** Slow rates keep a digit after the point: a feed that takes 64 bytes a minute is no standstill. */
export function rate(bytesPerSecond: number): string {
  return `${scaled(bytesPerSecond, true)}/s`;
}

export function bitsPerByte(value: number): string {
  const shown = value.toFixed(2).replace(/\.?0+$/, '');
  return `${shown} bit${shown === '1' ? '' : 's'} per byte`;
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${whole(n)} ${n === 1 ? one : many}`;
}

/** 1234567 becomes 1,234,567. */
export function whole(n: number): string {
  return Math.round(Number.isFinite(n) ? n : 0)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

/** `then` and `now` in seconds since 1970; 0 is never. */
export function ago(then: number, now: number): string {
  if (!then) return 'never';
  const passed = now - then;
  return passed < 1 ? 'just now' : `${duration(passed)} ago`;
}

function two(n: number): string {
  return n < 10 ? `0${n}` : `${n}`;
}

export function clock(date: Date, withSeconds = true): string {
  const short = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return withSeconds ? `${short}:${two(date.getSeconds())}` : short;
}

export function day(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** Local time, with the date when it is not today. */
export function moment(date: Date, today: Date): string {
  return day(date) === day(today) ? clock(date) : `${day(date)} ${clock(date)}`;
}

/** What would be invisible, or turn the text around it, is written as its number: \u{202e}. */
export function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu,
    (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** Cut in the middle: names differ at their ends. */
export function cut(text: string, limit: number): string {
  const letters = Array.from(text);
  if (letters.length <= limit) return text;
  const tail = Math.floor((limit - 1) / 2);
  return `${letters.slice(0, limit - 1 - tail).join('')}…${letters.slice(letters.length - tail).join('')}`;
}

/** over_share becomes "over share". */
export function words(name: string): string {
  return visible(name).replace(/_/g, ' ');
}

/** Reasons with their numbers, the most frequent first; those of none are left out. */
export function reasons(counts: Record<string, number> | undefined): string {
  return Object.entries(counts ?? {})
    .filter(([, n]) => n > 0)
    .sort((a, b) => b[1] - a[1])
    .map(([name, n]) => `${words(name)} ${whole(n)}`)
    .join(', ');
}

const states: Record<string, string> = {
  'start-up': 'is being tested before its bytes count',
  healthy: 'passes its tests',
  suspect: 'failed a test and is tested again',
  failed: 'fails its tests: its bytes are thrown away, and it is tried again later',
  gone: 'is not there: it is looked for again',
  refuted: 'gives less than it claims: it is mixed in and credited nothing',
};

const upstreamStates: Record<string, string> = {
  'start-up': 'is being asked for the first time',
  healthy: 'answers',
  gone: 'does not answer: it is asked again',
};

export function stateMeaning(state: string, upstream = false): string {
  return (upstream ? upstreamStates[state] : undefined) ?? states[state] ?? '';
}

/** The numbers that a history has for the states. */
export const stateNames = ['start-up', 'healthy', 'suspect', 'failed', 'gone', 'refuted'];
