// A table whose headers sort it. Rows are changed in place and moved when their order changes.
import { el, Keyed, setAttr, setText, setTitle } from './dom';
import { cut, visible } from './format';

export interface Column<T> {
  key: string;
  label: string;
  number?: boolean;
  value: (row: T) => number | string; // to sort by
  text: (row: T) => string;
  title?: (row: T) => string;
  bar?: (row: T) => number; // 0 to 1, drawn behind the text
  warn?: (row: T) => boolean;
}

function withRole<E extends HTMLElement>(node: E, role: string): E {
  node.setAttribute('role', role);
  return node;
}

interface RowView {
  root: HTMLTableRowElement;
  cells: HTMLElement[];
}

export class Table<T extends { name: string }> {
  readonly root = el('div', 'scroller');
  private readonly body = el('tbody');
  private readonly headers: HTMLTableCellElement[] = [];
  private readonly keyed: Keyed<T, RowView>;
  private rows: T[] = [];

  constructor(
    caption: string,
    private readonly columns: Column<T>[],
    private sortKey: string,
    private descending: boolean,
  ) {
    // On a telephone the rows are stacked, and what is no table to look at would be none to listen
    // to either: so the roles are named.
    const table = withRole(el('table'), 'table');
    const head = withRole(el('thead'), 'rowgroup');
    const headRow = withRole(el('tr'), 'row');
    withRole(this.body, 'rowgroup');
    for (const column of columns) {
      const th = withRole(el('th', column.number ? 'number' : ''), 'columnheader');
      th.scope = 'col';
      const button = el('button', '', column.label);
      button.type = 'button';
      button.append(el('span', 'arrow'));
      button.addEventListener('click', () => this.sortBy(column));
      th.append(button);
      headRow.append(th);
      this.headers.push(th);
    }
    head.append(headRow);
    table.append(el('caption', '', caption), head, this.body);
    this.root.tabIndex = 0;
    this.root.setAttribute('role', 'region');
    this.root.setAttribute('aria-label', caption);
    this.root.append(table);
    this.keyed = new Keyed<T, RowView>(
      this.body,
      (row) => row.name,
      () => this.makeRow(),
      (view, row) => this.setRow(view, row),
    );
    this.markSorted();
  }

  set(rows: T[]): void {
    this.rows = rows;
    this.draw();
  }

  private sortBy(column: Column<T>): void {
    this.descending = this.sortKey === column.key ? !this.descending : column.number === true;
    this.sortKey = column.key;
    this.markSorted();
    this.draw();
  }

  private markSorted(): void {
    this.columns.forEach((column, i) => {
      const th = this.headers[i];
      if (!th) return;
      setAttr(th, 'aria-sort', column.key !== this.sortKey ? 'none' : this.descending ? 'descending' : 'ascending');
    });
  }

  private draw(): void {
    const column = this.columns.find((c) => c.key === this.sortKey);
    const sign = this.descending ? -1 : 1;
    const sorted = [...this.rows].sort((a, b) => {
      const [x, y] = [column?.value(a) ?? 0, column?.value(b) ?? 0];
      if (x < y) return -sign;
      if (x > y) return sign;
      return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
    });
    this.keyed.set(sorted);
  }

  private makeRow(): RowView {
    const root = withRole(el('tr'), 'row');
    const cells = this.columns.map((column, i) => {
      const cell = withRole(el(i === 0 ? 'th' : 'td', column.number ? 'number' : ''), i === 0 ? 'rowheader' : 'cell');
      cell.dataset['label'] = column.label;
      if (i === 0) {
        (cell as HTMLTableCellElement).scope = 'row';
        cell.classList.add('name');
      }
      if (!column.bar) {
        root.append(cell);
        return cell;
      }
      const text = el('span');
      const bar = el('i', 'bar');
      bar.setAttribute('aria-hidden', 'true');
      cell.append(text, bar);
      root.append(cell);
      return text;
    });
    return { root, cells };
  }

  private setRow(view: RowView, row: T): void {
    this.columns.forEach((column, i) => {
      const cell = view.cells[i];
      if (!cell) return;
      if (i === 0) {
        const whole = visible(row.name);
        setText(cell, cut(whole, 34));
        setTitle(cell, whole);
        return;
      }
      setText(cell, column.text(row));
      if (column.title) setTitle(cell, column.title(row));
      if (column.warn) cell.classList.toggle('warn', column.warn(row));
      if (column.bar) {
        const width = `${Math.round(100 * Math.min(1, Math.max(0, column.bar(row))))}%`;
        const bar = cell.nextElementSibling as HTMLElement;
        if (bar.style.width !== width) bar.style.width = width;
      }
    });
  }
}
