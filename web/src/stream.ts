// The connection to the node: events and status frames as they come, the history when asked.
import type { HistoryDocument, NodeEvent } from './types';
import type { Span } from './history';

export type Link =
  | { state: 'connecting' | 'open' | 'lost' | 'resting' }
  | { state: 'refused'; code: number };

export interface Handlers {
  frame: (text: string) => void;
  event: (event: NodeEvent) => void;
  link: (link: Link) => void;
}


export class Stream {
  private source: EventSource | null = null;
  private again: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly handlers: Handlers) {
    this.open();
  }

  /** At once, after a rest or instead of when it is due. */
  retry(): void {
    clearTimeout(this.again);
    this.source?.close();
    this.handlers.link({ state: 'connecting' });
    this.open();
  }

  /** Nobody looks: a browser has few connections to one node, and other pages want them. */
  rest(): void {
    clearTimeout(this.again);
    this.source?.close();
    this.source = null;
    this.handlers.link({ state: 'resting' });
  }

  private open(): void {
    const source = new EventSource('/v1/events?status=yes');
    this.source = source;
    source.addEventListener('open', () => this.handlers.link({ state: 'open' }));
    source.addEventListener('status', (message: MessageEvent<string>) => this.handlers.frame(message.data));
    source.addEventListener('message', (message: MessageEvent<string>) => {
      try {
        this.handlers.event(JSON.parse(message.data) as NodeEvent);
      } catch {
        // Half a line, or another program's: the next one is as good.
      }
    });
    source.addEventListener('error', () => {
      if (source !== this.source) return;
      if (source.readyState === EventSource.CLOSED) void this.closed();
      else this.handlers.link({ state: 'lost' });
    });
  }

  // The browser has given up: the answer was no stream. Its code says what to do.
  private async closed(): Promise<void> {
    let code = 0;
    try {
      code = (await fetch('/v1/status', { method: 'HEAD', cache: 'no-store' })).status;
    } catch {
      // Away: it may come back.
    }
    if (this.source?.readyState !== EventSource.CLOSED) return;
    const refused = code === 401 || code === 403 || code === 404;
    this.handlers.link(refused ? { state: 'refused', code } : { state: 'lost' });
    clearTimeout(this.again);
    this.again = setTimeout(() => this.open(), refused ? 30000 : 2000);
  }
}

export async function fetchHistory(span: Span): Promise<HistoryDocument | null> {
  try {
    const answer = await fetch(`/v1/history?span=${span}`, { cache: 'no-store' });
    if (!answer.ok) return null;
    const document = (await answer.json()) as HistoryDocument;
    return Array.isArray(document.series) && document.end > 0 ? document : null;
  } catch {
    return null;
  }
}
