// What happened, newest first.
import { byId, el, setText, show } from './dom';
import { count, day, moment, visible } from './format';
import type { NodeEvent } from './types';

const kept = 300;

export class EventList {
  private readonly list = byId<HTMLOListElement>('event-list');
  private readonly empty = byId('event-empty');
  private readonly tally = byId('event-count');
  private readonly known = new Set<string>();
  private readonly views: { root: HTMLElement; time: HTMLElement; date: Date; alarm: boolean }[] = [];
  private waiting: NodeEvent[] = [];
  private alarmsOnly = false;
  private today = '';

  constructor() {
    for (const input of document.querySelectorAll<HTMLInputElement>('input[name=events]')) {
      input.checked = input.value === 'all';
      input.addEventListener('change', () => {
        this.alarmsOnly = input.value === 'alarms';
        this.list.classList.toggle('alarms-only', this.alarmsOnly);
        this.count();
      });
    }
    this.count();
  }

  /** Each once, however often it is told. */
  add(event: NodeEvent): void {
    if (this.known.has(event.id)) return;
    this.known.add(event.id);
    if (this.waiting.push(event) === 1) setTimeout(() => this.flush(), 0);
  }

  /** At midnight, today's times get a date. */
  tick(now: Date): void {
    if (day(now) === this.today) return;
    this.today = day(now);
    for (const view of this.views) setText(view.time, moment(view.date, now));
  }

  private flush(): void {
    const now = new Date();
    const added = document.createDocumentFragment();
    for (const event of this.waiting.slice(-kept)) {
      const root = el('li', event.alarm ? 'alarm' : '');
      const date = new Date(event.time * 1000);
      const time = el('time', '', moment(date, now));
      if (!Number.isNaN(date.getTime())) time.dateTime = date.toISOString();
      const text = el('p');
      if (event.alarm) text.append(el('strong', 'kind', 'Alarm'), ' ');
      else if (event.kind === 'warning') text.append(el('span', 'kind', 'Warning'), ' ');
      text.append(el('b', 'name', visible(event.subject)), ' ', el('span', '', visible(event.text)));
      root.append(time, text);
      added.prepend(root);
      this.views.push({ root, time, date, alarm: event.alarm });
    }
    this.waiting = [];
    this.list.prepend(added);
    for (const old of this.views.splice(0, Math.max(0, this.views.length - kept))) old.root.remove();
    this.count();
  }

  private count(): void {
    const alarms = this.views.filter((view) => view.alarm).length;
    const shown = this.alarmsOnly ? alarms : this.views.length;
    show(this.empty, shown === 0);
    setText(
      this.empty,
      this.alarmsOnly && this.views.length > 0
        ? 'No alarm among the events that are shown.'
        : 'No event yet. What a source, a client or this node does will stand here.',
    );
    setText(this.tally, `${count(this.views.length, 'event')}, ${count(alarms, 'alarm')}`);
  }
}
