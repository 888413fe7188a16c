/**
 * The fences: which folder may use which, and which third party belongs where. Dependencies point one way,
 * base ← kube ← stages ← flow, gateway ← cli, main. Each rule has a case in test/house/fences.test.ts that makes it fire.
 */
const stages = 'config|listen|identify|decide|hold|mask|forward|record|store|console|local';
const anyStage = `^src/(${stages})/`;

/**
 * A package, installed (its resolved path) or not (its bare name).
 * @param {string} names
 */
const packages = (names) => `(^|node_modules/)(${names})(/|$)`;

/**
 * A third party that only some folders or files may use.
 * @param {string} name
 * @param {string} names
 * @param {string} allowed
 * @param {string} comment
 */
const fence = (name, names, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: '^src/', pathNot: `^src/(${allowed})(/|$)` },
  to: { path: packages(names) },
});

/** @type {import('dependency-cruiser').IConfiguration} */
// eslint-disable-next-line import/no-default-export -- dependency-cruiser reads the default export
export default {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Modules in a circle cannot be read, tested or loaded one at a time.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment:
        'A module that nobody imports and that imports nobody is dead, or somebody forgot to wire it.',
      severity: 'error',
      from: { path: '^src/', orphan: true, pathNot: ['^src/main\\.ts$', '\\.d\\.ts$'] },
      to: {},
    },
    {
      name: 'no-unresolvable',
      comment: 'An import that leads nowhere.',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'base-is-the-bottom',
      comment: 'base/ imports nothing of ours and no third party.',
      severity: 'error',
      from: { path: '^src/base/' },
      to: { pathNot: '^src/base/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'kube-stands-on-base',
      comment: 'kube/ is pure vocabulary: of ours it imports base/ only.',
      severity: 'error',
      from: { path: '^src/kube/' },
      to: { path: '^src/', pathNot: '^src/(base|kube)/' },
    },
    {
      name: 'stage-order',
      comment: 'What stands above the stages imports them, never the other way round.',
      severity: 'error',
      from: { path: `^src/(base|kube|${stages})/` },
      to: { path: '^src/(flow/|cli/|flow\\.ts|gateway\\.ts|main\\.ts)' },
    },
    {
      name: 'flow-order',
      comment: 'The flow knows the stages by their doors and nothing of who wires or starts it.',
      severity: 'error',
      from: { path: '^src/flow(\\.ts|/)' },
      to: { path: '^src/(cli/|gateway\\.ts|main\\.ts)' },
    },
    {
      name: 'gateway-order',
      comment: 'The composition root does not know who starts it.',
      severity: 'error',
      from: { path: '^src/gateway\\.ts$' },
      to: { path: '^src/(cli/|main\\.ts)' },
    },
    {
      name: 'main-is-the-top',
      comment: 'Nobody imports main.ts.',
      severity: 'error',
      from: {},
      to: { path: '^src/main\\.ts$' },
    },
    {
      name: 'stages-share-types-only',
      comment:
        "A stage does not run another stage's code: they share types, or a port that its user declares.",
      severity: 'error',
      from: { path: anyStage, pathNot: '^src/local/' },
      to: {
        path: anyStage,
        pathNot: '^src/$1/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'local-uses-config-only',
      comment:
        'The first run makes a configuration, so it runs the code of config/, and of no other stage.',
      severity: 'error',
      from: { path: '^src/local/' },
      to: {
        path: anyStage,
        pathNot: ['^src/local/', '^src/config/index\\.ts$'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'by-the-door',
      comment:
        "A stage is imported by its index.ts only; what the door does not name is the stage's own affair.",
      severity: 'error',
      from: { path: '^src/([^/]+)' },
      to: { path: anyStage, pathNot: [`^src/(${stages})/index\\.ts$`, '^src/$1/'] },
    },
    {
      name: 'no-test-code-in-src',
      comment: 'The product needs nothing of test/, bench/ or prove/.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|prove)/' },
    },
    {
      name: 'no-dev-dependencies-in-src',
      comment: 'What the product imports is installed with it.',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only'],
      },
    },
    fence('slack-only-in-hold', '@slack', 'hold/slack', "Slack's library only in hold/slack."),
    fence(
      'aws-only-in-credentials-and-store',
      '@aws-sdk|@smithy',
      'forward/credentials|store',
      'AWS only where its credentials are made, and where bodies are stored in S3.',
    ),
    fence(
      'database-only-in-store',
      'drizzle-orm|postgres|@electric-sql',
      'store',
      'Databases only in store/.',
    ),
    fence(
      'jose-only-in-identify',
      'jose',
      'identify|local|decide/bundle/signature\\.ts',
      'Tokens are read in identify/ and made in local/; one file of decide/ checks the signature of bundles.',
    ),
    fence('tar-only-in-decide', 'tar-stream', 'decide/bundle', 'Archives are read in one place.'),
    fence(
      'opa-only-in-decide',
      '@open-policy-agent',
      'decide',
      'Policy is evaluated in decide/ only.',
    ),
    fence(
      'hono-only-in-listen-and-console',
      'hono|@hono',
      'listen|console',
      'Web frameworks only where the two ports are served.',
    ),
    fence(
      'undici-only-in-forward-and-cli',
      'undici',
      'forward|cli',
      'Outgoing HTTP only in forward/, and in cli/ to our own API.',
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.mjs', '.js', '.json'],
    },
  },
};
