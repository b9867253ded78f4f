// The last minutes or hours as series of equal steps. The newest value is at `end`; older ones are
// counted back from there, so that a clock that jumps moves the whole and never turns its order.
import { stateNames } from './format';
import type { HistoryDocument, Status } from './types';

export type Span = '10m' | '2h' | '24h';
export type Values = (number | null)[];

const seconds: Record<Span, number> = { '10m': 600, '2h': 7200, '24h': 86400 };
const steps: Record<Span, number> = { '10m': 1, '2h': 10, '24h': 60 };

export class History {
  span: Span = '10m';
  step = 1; // seconds
  end = 0; // ms since 1970
  length = 0;
  loaded = false;
  loads = 0;
  known = 0; // steps since the oldest value that there is
  private series = new Map<string, Values>();

  static key(kind: string, of = ''): string {
    return `${kind}\n${of}`;
  }

  load(span: Span, document: HistoryDocument): void {
    this.span = span;
    this.step = document.step > 0 ? document.step : steps[span];
    this.length = this.capacity();
    this.end = document.end;
    this.series = new Map();
    for (const { kind, of, values } of document.series) {
      const key = History.key(kind, of);
      if (!this.series.has(key)) this.series.set(key, this.padded(values));
    }
    this.known = 0;
    for (const values of this.series.values()) {
      const first = values.findIndex((value) => value !== null);
      if (first >= 0) this.known = Math.max(this.known, this.length - first);
    }
    this.loaded = true;
    this.loads += 1;
  }

  /** A second that a status frame tells of. */
  append(status: Status, now: number): void {
    if (this.span !== '10m') return;
    if (this.length === 0) this.length = this.capacity();
    const expected = this.end + this.step * 1000;
    // A clock that was set, or a machine that slept: the whole moves.
    this.end = this.end === 0 || Math.abs(now - expected) > 5000 ? now : expected;
    const fresh = new Map<string, number | null>();
    const put = (kind: string, of: string, value: number | null | undefined) => {
      const key = History.key(kind, of);
      if (!fresh.has(key)) fresh.set(key, value ?? null);
    };
    put('reserve', '', status.reserve.bytes);
    put('waiting', '', status.reserve.waiting_bytes);
    for (const kind of ['credited', 'delivered', 'reseed', 'discarded', 'drbg'] as const) {
      put(kind, '', status.rates?.[kind]);
    }
    for (const source of status.sources) {
      const state = stateNames.indexOf(source.state);
      const estimate = source.estimate;
      put('source_rate', source.name, source.rate);
      put('source_credited', source.name, source.credited_rate);
      put('source_state', source.name, state < 0 ? null : state);
      put('source_estimate', source.name, estimate ? Math.min(estimate.most_common_value, estimate.markov) : null);
    }
    for (const outlet of status.outlets) {
      put('outlet_full', outlet.name, outlet.full_rate);
      put('outlet_drbg', outlet.name, outlet.drbg_rate);
    }
    for (const key of fresh.keys()) {
      if (!this.series.has(key)) this.series.set(key, this.padded([]));
    }
    for (const [key, values] of this.series) {
      values.push(fresh.get(key) ?? null);
      while (values.length > this.length) values.shift();
    }
    this.known = Math.min(this.length, this.known + 1);
  }

  /** Seconds to show: all that is known, a minute at least, the span at most. */
  shown(): number {
    return Math.min(this.length - 1, Math.max(60, this.known)) * this.step;
  }

  /** What all series of these kinds came to in the last minute, as a mean. */
  lastMinute(...kinds: string[]): number {
    const n = Math.max(1, Math.round(60 / this.step));
    let sum = 0;
    for (const [key, values] of this.series) {
      if (!kinds.includes(key.slice(0, key.indexOf('\n')))) continue;
      for (const value of values.slice(-n)) sum += value ?? 0;
    }
    return sum / n;
  }

  get(kind: string, of = ''): Values | undefined {
    return this.series.get(History.key(kind, of));
  }

  /** The times of all values, in seconds since 1970. */
  times(): number[] {
    const end = this.end / 1000;
    const times = new Array<number>(this.length);
    for (let i = 0; i < this.length; i += 1) times[i] = end - (this.length - 1 - i) * this.step;
    return times;
  }

  private capacity(): number {
    return Math.floor(seconds[this.span] / this.step) + 1;
  }

  private padded(values: Values): Values {
    const kept = values.slice(-this.length);
    return [...new Array<null>(this.length - kept.length).fill(null), ...kept];
  }
}
