// A card for each source: its state in words, its figures, its graphs.
import { el, Keyed, setAttr, setText, setTitle, show, Sign } from './dom';
import { ago, bitsPerByte, count, cut, rate, reasons, size, stateMeaning, visible, whole } from './format';
import { Graph } from './graph';
import type { History } from './history';
import type { Source } from './types';

/** A list of figures with their names; those without a value are not shown. */
export class Figures {
  readonly root = el('dl', 'figures');
  private readonly entries = new Map<string, { box: HTMLElement; value: HTMLElement }>();

  set(name: string, value: string | null): void {
    let entry = this.entries.get(name);
    if (!entry) {
      if (value === null) return;
      const box = el('div');
      const dd = el('dd');
      box.append(el('dt', '', name), dd);
      this.root.append(box);
      entry = { box, value: dd };
      this.entries.set(name, entry);
    }
    show(entry.box, value !== null);
    if (value !== null) setText(entry.value, value);
  }
}

class Card {
  readonly root = el('article', 'card source');
  private readonly sign = new Sign();
  private readonly name = el('h3', 'name');
  private readonly state = el('p', 'state');
  private readonly stateText = el('span');
  private readonly detail = el('p', 'detail');
  private readonly figures = new Figures();
  private readonly graphs: Graph[];
  private h = 0;

  constructor(source: Source, feed: boolean) {
    const of = source.name;
    const shown = visible(of);
    this.state.append(this.sign.root, this.stateText);
    const rateGraph = new Graph({
      title: 'Rate',
      name: `Rate of ${shown}`,
      unit: 'bytes/s',
      statesOf: of,
      lines: [
        { label: 'read', kind: 'source_rate', of, colour: '--line-2' },
        { label: 'credited', kind: 'source_credited', of, colour: '--accent', fill: '--accent-fill' },
      ],
    });
    this.graphs = [rateGraph];
    const plots = el('div', 'plots');
    plots.append(rateGraph.root);
    if (!source.upstream && !feed && (source.credit || source.estimate)) {
      const estimate = new Graph({
        title: 'Estimate',
        name: `Estimated min-entropy of ${shown}`,
        unit: 'bits',
        lines: [{ label: 'least estimate', kind: 'source_estimate', of, colour: '--accent' }],
        level: { label: 'claimed h', value: () => this.h },
      });
      this.graphs.push(estimate);
      plots.append(estimate.root);
    }
    const head = el('header');
    head.append(this.name, this.state);
    this.root.append(head, this.detail, this.figures.root, plots);
  }

  set(source: Source, now: number): void {
    this.h = source.h;
    setAttr(this.root, 'data-state', source.state);
    const shown = visible(source.name);
    setText(this.name, cut(shown, 48));
    setTitle(this.name, shown);
    this.sign.set(source.state);
    setText(this.stateText, source.state);
    const meaning = stateMeaning(source.state, source.upstream);
    // "gone: its writer has closed it" stands under "gone" already.
    const known = `${source.state}: `;
    const reason = source.detail.startsWith(known) ? source.detail.slice(known.length) : source.detail;
    const detail = visible(reason).replace(/\.$/, '');
    const sentence = meaning ? `It ${meaning}.` : '';
    const claim = source.credit ? '' : ' Credited nothing: its bytes are mixed in.';
    setText(this.detail, `${sentence}${claim}${detail ? ` ${detail.charAt(0).toUpperCase()}${detail.slice(1)}.` : ''}`);

    const f = this.figures;
    const e = source.estimate;
    f.set('Read', rate(source.rate));
    f.set('Credited', rate(source.credited_rate ?? 0));
    f.set('Read in all', size(source.bytes));
    if (!source.upstream) {
      const unmeasured = source.credit ? 'not measured yet' : null;
      f.set('Claimed h', source.h > 0 ? bitsPerByte(source.h) : 'nothing');
      f.set('Estimate, most common', e ? bitsPerByte(e.most_common_value) : unmeasured);
      f.set('Estimate, Markov', e ? bitsPerByte(e.markov) : unmeasured);
    }
    f.set('Alarms', count(source.alarms, 'alarm'));
    f.set('Failures', count(source.failures, 'failure'));
    f.set('Last tested', source.last_window ? ago(source.last_window, now) : null);
    f.set('Failed tests', reasons(source.test_failures) || null);
    const blocks = source.blocks ?? 0;
    const bad = [[source.fips_failed ?? 0, 'failed'], [source.weak ?? 0, 'weak']] as const;
    const told = bad.filter(([n]) => n > 0).map(([n, what]) => `${whole(n)} ${what}`);
    f.set('FIPS 140-2, informative', blocks > 0 ? [`${count(blocks, 'block')}`, ...told].join(', ') : null);
    f.set('Not used', reasons(source.dropped) || null);
  }

  draw(history: History, times: number[]): void {
    for (const graph of this.graphs) graph.set(history, times);
  }

  destroy(): void {
    for (const graph of this.graphs) graph.destroy();
  }
}

export class SourceCards {
  private readonly cards = new Set<Card>();
  private readonly keyed: Keyed<Source, Card>;
  private now = 0;
  private feed = false;

  constructor(parent: HTMLElement) {
    this.keyed = new Keyed<Source, Card>(
      parent,
      (source) => source.name,
      (source) => {
        const card = new Card(source, this.feed);
        this.cards.add(card);
        return card;
      },
      (card, source) => card.set(source, this.now),
      (card) => {
        card.destroy();
        this.cards.delete(card);
      },
    );
  }

  set(sources: Source[], now: number, feed: boolean): void {
    this.now = now;
    this.feed = feed;
    this.keyed.set(sources);
  }

  draw(history: History, times: number[]): void {
    for (const card of this.cards) card.draw(history, times);
  }
}
