// Small helpers around the DOM. Text goes in as text alone, and what has not changed is not touched.

const svgSpace = 'http://www.w3.org/2000/svg';

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  text?: string,
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number> = {},
): SVGElementTagNameMap[K] {
  const node = document.createElementNS(svgSpace, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}

export function byId<T extends Element = HTMLElement>(id: string): T {
  const node = document.getElementById(id);
  if (!node) throw new Error(`The page has no #${id}`);
  return node as unknown as T;
}

export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttr(node: Element, name: string, value: string | number): void {
  const text = String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

export function setTitle(node: HTMLElement, text: string): void {
  if (node.title !== text) node.title = text;
}

export function show(node: HTMLElement, shown: boolean): void {
  if (node.hidden === shown) node.hidden = !shown;
}

/** One view for each item, made once, kept in the items' order. */
export class Keyed<T, V extends { readonly root: Element }> {
  private readonly views = new Map<string, V>();

  constructor(
    private readonly parent: Element,
    private readonly key: (item: T) => string,
    private readonly make: (item: T) => V,
    private readonly update: (view: V, item: T) => void,
    private readonly drop: (view: V) => void = () => {},
  ) {}

  set(items: readonly T[]): void {
    const seen = new Map<string, number>();
    const kept = new Set<string>();
    let at = this.parent.firstElementChild;
    for (const item of items) {
      const name = this.key(item);
      const nth = seen.get(name) ?? 0;
      seen.set(name, nth + 1);
      const key = `${nth}:${name}`;
      kept.add(key);
      let view = this.views.get(key);
      if (!view) {
        view = this.make(item);
        this.views.set(key, view);
      }
      if (view.root === at) at = at.nextElementSibling;
      else this.parent.insertBefore(view.root, at);
      this.update(view, item);
    }
    for (const [key, view] of this.views) {
      if (kept.has(key)) continue;
      view.root.remove();
      this.views.delete(key);
      this.drop(view);
    }
  }
}

const shapes: Record<string, string> = {
  healthy: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm-1 10.2L3.8 8l1.1-1.1L7 9l4.1-4.1L12.2 6Z',
  'start-up': 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 2v5h5a5 5 0 1 1-5-5Z',
  suspect: 'M8 1 0.8 14.5h14.4ZM7.2 6h1.6v4H7.2Zm0 5.2h1.6v1.6H7.2Z',
  failed: 'M2 2h12v12H2Zm5.2 2.2v4.6h1.6V4.2Zm0 5.8v1.8h1.6V10Z',
  gone: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.8a5.2 5.2 0 1 1 0 10.4A5.2 5.2 0 0 1 8 2.8Z',
  refuted: 'M8 0.6 15.4 8 8 15.4 0.6 8ZM5.9 5 5 5.9 7.1 8 5 10.1l.9.9L8 8.9l2.1 2.1.9-.9L8.9 8 11 5.9 10.1 5 8 7.1Z',
};

const shapeOf: Record<string, string> = { good: 'healthy', warning: 'suspect', bad: 'failed' };

/** The sign of a state: each has its own shape, so that it can be told without its colour. */
export class Sign {
  readonly root = svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true', class: 'sign' });
  private readonly path = svg('path', { 'fill-rule': 'evenodd' });

  constructor() {
    this.root.append(this.path);
  }

  set(state: string): void {
    setAttr(this.path, 'd', shapes[shapeOf[state] ?? state] ?? shapes['gone'] ?? '');
    setAttr(this.root, 'data-state', state);
  }
}
