import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import YAML from "yaml";
import { faultsOf } from "./manifests.mjs";

const home = fileURLToPath(new URL("../../packaging/kubernetes/", import.meta.url));
const parse = (text) => YAML.parseAllDocuments(text, { version: "1.1" }).map((document) => {
  assert.deepEqual([...document.errors, ...document.warnings], []);
  return document.toJS();
});
const built = new Map();
function build(folder) {
  if (!built.has(folder)) {
    built.set(folder, parse(execFileSync("kubectl", ["kustomize", home + folder], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })));
  }
  return built.get(folder);
}
// Debian 12's kubectl is of 2020, and its kustomize knows no folders among the resources.
const old = !spawnSync("kubectl", ["version", "--client"], { encoding: "utf8" }).stdout.includes("Kustomize Version");
const modern = { skip: old && "the kubectl here is older than 1.24, and builds no overlay" };
const of = (manifests, kind, name) => {
  const found = manifests.filter((m) => m.kind === kind && (name === undefined || m.metadata.name === name));
  assert.equal(found.length, 1, `${found.length} of ${kind} ${name ?? ""}`);
  return found[0];
};
const pods = (manifests) => manifests.map((m) => m.spec?.template).filter((template) => template);
const containers = (pod) => [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
const matches = (selector, labels) => Object.entries(selector).every(([key, value]) => labels[key] === value);

// What the API server checks in a namespace of the level "restricted".
function beyondRestricted(pod) {
  const found = [];
  if (pod.spec.securityContext?.seccompProfile?.type !== "RuntimeDefault") found.push("seccomp");
  if (pod.spec.hostNetwork || pod.spec.hostPID || pod.spec.hostIPC) found.push("the host's namespaces");
  for (const { name, securityContext: its = {} } of containers(pod)) {
    if (!(its.runAsNonRoot ?? pod.spec.securityContext?.runAsNonRoot)) found.push(`${name}: root`);
    if (its.allowPrivilegeEscalation !== false) found.push(`${name}: privilege escalation`);
    if (its.privileged) found.push(`${name}: privileged`);
    if (!its.capabilities?.drop?.includes("ALL") || its.capabilities.add?.length) found.push(`${name}: capabilities`);
  }
  for (const volume of pod.spec.volumes ?? []) {
    if (!volume.emptyDir && !volume.configMap && !volume.secret) found.push(`volume ${volume.name}`);
  }
  return found;
}

const folders = ["hub", "feed", "sidecar", "overlays/cluster", "overlays/two-hubs", "overlays/relay"];
for (const folder of folders) {
  test(`${folder} is what the schemas say`, folder.startsWith("overlays/") ? modern : {}, () => {
    const manifests = build(folder);
    assert.ok(manifests.length > 0);
    for (const manifest of manifests) {
      assert.deepEqual(faultsOf(manifest), [], `${manifest.kind} ${manifest.metadata.name}`);
    }
    for (const pod of pods(manifests)) {
      for (const { name, volumeMounts = [], securityContext: its } of containers(pod)) {
        assert.equal(its.readOnlyRootFilesystem, true, name);
        for (const mount of volumeMounts) {
          const claims = manifests.flatMap((m) => m.spec?.volumeClaimTemplates ?? []).map((claim) => claim.metadata.name);
          const volumes = [...claims, ...(pod.spec.volumes ?? []).map((volume) => volume.name)];
          assert.ok(volumes.includes(mount.name), `${name}: there is no volume ${mount.name}`);
        }
      }
      for (const volume of pod.spec.volumes ?? []) {
        if (volume.configMap) of(manifests, "ConfigMap", volume.configMap.name);
      }
    }
    for (const { kind, metadata, spec } of manifests) {
      const selector = kind === "Service" ? spec.selector : (spec?.selector ?? spec?.podSelector)?.matchLabels;
      if (!selector || kind === "ServiceMonitor") continue;
      assert.ok(pods(manifests).some((pod) => matches(selector, pod.metadata.labels)), `${kind} ${metadata.name} selects nothing`);
    }
  });
}

test("the manifests that belong to none of them are what the schemas say", () => {
  for (const file of ["feed/secret.example.yaml", "monitoring/servicemonitor.yaml"]) {
    for (const manifest of parse(readFileSync(home + file, "utf8"))) assert.deepEqual(faultsOf(manifest), [], file);
  }
});

test("faults are found", () => {
  const hub = build("hub");
  const changed = (kind, change, name) => {
    const copy = structuredClone(of(hub, kind, name));
    change(copy);
    return faultsOf(copy).join("\n");
  };
  const container = (m) => m.spec.template.spec.containers[0];
  assert.match(changed("StatefulSet", (m) => (m.spec.replica = 1)), /\/spec\/replica: there is no such field/);
  assert.match(changed("StatefulSet", (m) => (container(m).securityContext.readOnlyRootFileSystem = true)), /readOnlyRootFileSystem: there/);
  assert.match(changed("StatefulSet", (m) => (container(m).ports[0].port = 1)), /ports\/0\/port: there/);
  assert.match(changed("StatefulSet", (m) => (m.metadata.label = {})), /\/metadata\/label: there/);
  assert.match(changed("StatefulSet", (m) => (m.spec.replicas = "two")), /\/spec\/replicas: type/);
  assert.match(changed("StatefulSet", (m) => delete m.spec.selector), /required.*selector/);
  assert.match(changed("Service", (m) => (m.spec.ports[0].protocol = "TPC"), "qanat-hub"), /protocol: enum/);
  const monitor = parse(readFileSync(`${home}monitoring/servicemonitor.yaml`, "utf8"))[0];
  monitor.spec.endpoints[0].tlsConfig.servername = "x";
  assert.match(faultsOf(monitor).join("\n"), /servername: there/);
  assert.throws(() => faultsOf({ apiVersion: "apps/v1", kind: "StatefulSets" }), /no schema/);
});

test("the hub serves TCP and UDP at one port, and is asked there whether it is well", () => {
  const hub = build("hub");
  const { template, serviceName } = of(hub, "StatefulSet").spec;
  const [container] = template.spec.containers;
  const open = container.ports.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`);
  assert.deepEqual(open, ["7749/TCP", "7749/UDP"]);
  for (const name of ["qanat-hub", serviceName]) {
    const { ports } = of(hub, "Service", name).spec;
    assert.deepEqual(ports.map((port) => `${port.port}/${port.protocol}`), open);
    for (const port of ports) {
      const target = container.ports.find(({ name: its }) => its === port.targetPort);
      assert.equal(target?.protocol, port.protocol, `${name}: ${port.name}`);
    }
  }
  assert.deepEqual(of(hub, "NetworkPolicy").spec.ingress[0].ports.map((port) => `${port.port}/${port.protocol}`), open);
  const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe].map(({ httpGet }) => httpGet);
  assert.deepEqual(probes.map(({ path }) => path), ["/healthz", "/healthz", "/readyz"]);
  for (const { port, scheme } of probes) assert.deepEqual([port, scheme], ["https", "HTTPS"]);
  assert.equal(of(hub, "PodDisruptionBudget").spec.maxUnavailable, 1);
});

test("the hub and the sidecar run under the level 'restricted', the feed has one capability", () => {
  const hub = build("hub");
  const level = (manifests) => of(manifests, "Namespace").metadata.labels["pod-security.kubernetes.io/enforce"];
  assert.equal(level(hub), "restricted");
  for (const pod of [...pods(hub), ...pods(build("sidecar"))]) assert.deepEqual(beyondRestricted(pod), []);
  const feed = build("feed");
  assert.equal(level(feed), "privileged");
  assert.deepEqual(beyondRestricted(pods(feed)[0]), ["qanat: root", "qanat: capabilities"]);
  assert.deepEqual(pods(feed)[0].spec.containers[0].securityContext.capabilities, { add: ["SYS_ADMIN"], drop: ["ALL"] });
});

test("Prometheus finds the hub's service, and its port by name", () => {
  const [monitor] = parse(readFileSync(`${home}monitoring/servicemonitor.yaml`, "utf8"));
  const found = build("hub").filter((m) => m.kind === "Service" && matches(monitor.spec.selector.matchLabels, m.metadata.labels));
  assert.deepEqual(found.map((service) => service.metadata.name), ["qanat-hub"], "each hub is scraped once");
  assert.ok(found[0].spec.ports.some(({ name }) => name === monitor.spec.endpoints[0].port));
});

test("two hubs are called by name, and the feeds know both", modern, () => {
  const manifests = build("overlays/two-hubs");
  assert.equal(of(manifests, "StatefulSet").spec.replicas, 2);
  assert.deepEqual(manifests.filter((m) => m.kind === "Service").map((m) => m.metadata.name), ["qanat-hubs"]);
  assert.deepEqual(of(manifests, "DaemonSet").spec.template.spec.containers[0].args.length, 3);
  assert.equal(of(manifests, "StatefulSet").spec.template.spec.containers[0].image, "registry.example/qanat:0.1.0");
});

test("a relay mounts what it is told to read", modern, () => {
  const { spec } = of(build("overlays/relay"), "StatefulSet").spec.template;
  const file = spec.containers[0].args.find((word) => word.startsWith("@")).slice(1);
  assert.ok(spec.containers[0].volumeMounts.some(({ mountPath }) => file.startsWith(`${mountPath}/`)));
});
