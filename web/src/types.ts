// What the node sends: docs/http-api.md. A node may be older or newer than the page, so fields that
// came later may be missing.

export type Counts = Record<string, number>;

export interface Ledger {
  credited: number;
  delivered: number;
  discarded: number;
  reseed: number;
  reserve: number;
}

export interface Source {
  name: string;
  state: string;
  detail: string;
  rate: number;
  h: number;
  credit: boolean;
  bytes: number;
  alarms: number;
  failures: number;
  blocks?: number;
  fips_failed?: number;
  weak?: number;
  trickle?: Counts;
  dropped?: Counts;
  ledger?: Ledger;
  credited_rate?: number;
  upstream?: boolean;
  last_window?: number;
  test_failures?: Counts;
  estimate?: { most_common_value: number; markov: number; samples: number } | null;
}

export interface Outlet {
  name: string;
  detail: string;
  problem: string;
  connections: number;
  deliveries: number;
  full_bytes: number;
  drbg_bytes: number;
  refused?: Counts;
  tls?: { certificate_until: number; groups?: Counts };
  full_rate?: number;
  drbg_rate?: number;
  waiting_requests?: number;
  guests?: boolean;
  schedule?: { last: number; next: number };
}

export interface Client {
  name: string;
  rate: number;
  burst: number;
  weight: number;
  suspended: boolean;
  waiting_requests: number;
  waiting_bytes: number;
  minute_bytes: number;
  connections: number;
  full_bytes: number;
  drbg_bytes: number;
  requests: number;
  refused: number;
  last_seen: number;
}

export interface NodeEvent {
  id: string;
  time: number;
  subject: string;
  text: string;
  alarm: boolean;
  kind?: string;
}

export interface Status {
  node: {
    id: string;
    version: string;
    role: string;
    uptime: number;
    ready: boolean;
    problem?: string;
    time?: number;
  };
  verdict?: { level: string; text: string; hint: string };
  ledger: Ledger;
  reserve: {
    bytes: number;
    target: number;
    in_flight: number;
    waiting_requests: number;
    waiting_bytes: number;
  };
  supply: { proved: number; promised: number; suspended: number };
  drbg: { reseeds: number; bytes: number };
  rates?: { credited: number; delivered: number; discarded: number; reseed: number; drbg: number };
  sources: Source[];
  outlets: Outlet[];
  clients: Client[];
  clients_total?: number;
  threads?: { name: string; last_turn: number; still: number }[];
  events_total?: number;
}

export interface HistoryDocument {
  end: number;
  step: number;
  count: number;
  series: { kind: string; of: string; unit: string; values: (number | null)[] }[];
}
