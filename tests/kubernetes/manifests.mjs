// What is wrong with a manifest, by the schemas of Kubernetes and of the Prometheus operator.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

// A value that notes which of its fields are looked at, here and below: the schemas come as compiled
// validators, which look at every field that they know, and pass over the others in silence.
function watch(value, path, seen) {
  if (typeof value !== "object" || value === null) return value;
  if (!seen.has(path)) seen.set(path, { keys: Object.keys(value), read: new Set() });
  const { read } = seen.get(path);
  return new Proxy(value, {
    get(target, key) {
      const found = Reflect.get(target, key);
      if (typeof key !== "string" || !Object.hasOwn(target, key)) return found;
      read.add(key);
      return watch(found, `${path}/${key}`, seen);
    },
  });
}

// Of a kind, by the name that its schema has in Kubernetes' API. Packages export the class of the
// kind, which copies what it is given; the validator is in a file beside it.
function validatorOf({ apiVersion, kind }) {
  const operator = apiVersion.startsWith("monitoring.coreos.com/");
  const home = operator ? "@kubernetes-models/prometheus-operator" : "kubernetes-models";
  try {
    const schema = operator
      ? `MonitoringCoreosCom${apiVersion.endsWith("/v1") ? "V1" : ""}${kind}`
      : Object.keys(require(`${home}/${apiVersion}/${kind}`)).find((name) => name !== kind);
    return require(`./node_modules/${home}/_schemas/${schema}.js`).validate;
  } catch {
    throw new Error(`no schema of ${apiVersion} ${kind}`);
  }
}

// A line for each: missing fields, wrong types and values, unknown fields.
export function faultsOf(manifest) {
  const seen = new Map();
  const validate = validatorOf(manifest);
  validate(watch(manifest, "", seen));
  const faults = (validate.errors ?? []).map(
    ({ instancePath, keyword, params }) => `${instancePath}: ${keyword} ${JSON.stringify(params)}`,
  );
  for (const [path, { keys, read }] of seen) {
    for (const key of keys) if (!read.has(key)) faults.push(`${path}/${key}: there is no such field`);
  }
  return faults;
}
