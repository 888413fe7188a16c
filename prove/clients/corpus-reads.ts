import { withQuery, type Draw, type Template } from './corpus-draw.ts';
import { collections, core, legacyWatches, objects, subresources } from './corpus-paths.ts';

const readMethods = ['GET', 'GET', 'GET', 'HEAD'] as const;

/** Names that are legal in a path, if not for an object, and some that no hop reads alike. */
const oddNames = [
  'a.b.c',
  'UPPER',
  'with%20space',
  '%41%62c',
  'a%3Ab',
  'a:b:',
  'a+b',
  'a%2Bb',
  'a,b',
  "a'b",
  'a(b)*!',
  'a@b=c$',
  'a%26b',
  'a&b=c',
  'a~b_c',
  'ber%C3%BChmt',
  '%F0%9F%90%99',
  'a%25b',
  'a%3Fb',
  'a%23b',
  'a%22b%3C%3E',
  'a%7Cb%5E%60%7B%7D%5B%5D',
  '...',
  'x%2Fexec',
  '..',
  '%2e%2e',
  'a;b',
  'a%3Bb',
  'a%5Cb',
  'a%252Fb',
  'a%00b',
  'a%zzb',
  '%c0%af',
];

/** Every spelling of a boolean that a client might send, and what is none. */
const watchValues = [
  'watch=true',
  'watch=1',
  'watch=True',
  'watch=TRUE',
  'watch=yes',
  'watch=',
  'watch',
  'watch=f',
  'watch=t',
  'watch=no',
  'watch=off',
  'watch=+',
  'watch=2',
  'watch=0',
  'watch=00',
  'watch=false',
  'watch=False',
  'watch=FALSE',
  'watch=fal%C5%BFe',
  'watch=%74rue',
  '%77atch=1',
  'Watch=true',
];

const nameSelectors = [
  'metadata.name%3Dkept',
  'metadata.name=kept',
  'metadata.name==kept',
  'metadata.name%3D%3Dkept',
  'metadata.name!=kept',
  'metadata.name%3Dkept,metadata.namespace!%3Dx',
  'metadata.namespace!=x,metadata.name=kept',
  'metadata.name=kept,metadata.name=other',
  'metadata.name=',
  'metadata.name=..',
  'metadata.name=a%2Fb',
  'metadata.name=a%25b',
  'metadata.name=system:node',
  'metadata.name=a%5C,b',
  'metadata.name=a%5C%3Db',
  'metadata.name=+kept',
  'metadata.name',
  '=kept',
  'spec.nodeName=x',
  '',
];

const listOptions = [
  '',
  '',
  'limit=1',
  'limit=500',
  'limit=0',
  'limit=+5',
  'limit=-1',
  'limit=1_0',
  'limit=x',
  'limit=&limit=1',
  'limit=1&continue=garbage',
  `limit=1&continue=${Buffer.from('{"v":"meta.k8s.io/v1","rv":-1,"start":"a\\u0000"}').toString('base64url')}`,
  'resourceVersion=0',
  'resourceVersion=0&resourceVersionMatch=NotOlderThan',
  'resourceVersion=x',
  'labelSelector=app%3Dweb',
  'labelSelector=app+in+(web,other),!gone',
  'labelSelector=%2B',
  'pretty=true',
  'timeoutSeconds=5',
  'timeoutSeconds=x',
  'sendInitialEvents=true',
  'foo=bar&a%20b=c%26d',
  '&&limit=2&',
];

const watchOptions = (draw: Draw, value: string): string =>
  [value, 'timeoutSeconds=1', draw.pick(['', '', 'resourceVersion=0', 'allowWatchBookmarks=true'])]
    .filter(Boolean)
    .join('&');

export const readTemplates: readonly Template[] = [
  {
    name: 'get',
    make: (draw, place) => ({
      method: draw.pick(readMethods),
      target: withQuery(
        draw.pick(objects(place)),
        draw.pick(['', '', '', 'pretty=true', 'watch=1']),
      ),
    }),
  },
  {
    name: 'get, odd name',
    make: (draw, place) => {
      const kind = draw.pick([
        `${core(place.kept)}/configmaps`,
        '/api/v1/nodes',
        '/api/v1/namespaces',
      ]);
      return { method: draw.pick(readMethods), target: `${kind}/${draw.pick(oddNames)}` };
    },
  },
  {
    name: 'trailing slash',
    make: (draw, place) => ({
      method: draw.pick(readMethods),
      target: withQuery(
        `${draw.pick([...objects(place), ...collections(place)])}/`,
        draw.pick(['', 'limit=2']),
      ),
    }),
  },
  {
    name: 'list',
    make: (draw, place) => ({
      method: draw.pick(readMethods),
      target: withQuery(draw.pick(collections(place)), draw.pick(listOptions)),
    }),
  },
  {
    name: 'list by name',
    make: (draw, place) => ({
      method: draw.pick(readMethods),
      target: withQuery(
        draw.pick(collections(place)),
        `fieldSelector=${draw.pick(nameSelectors)}`,
        draw.pick(['', 'limit=3', 'limit=x']),
      ),
    }),
  },
  {
    name: 'watch',
    make: (draw, place) => ({
      method: draw.pick(readMethods),
      target: withQuery(
        draw.pick(collections(place)),
        watchOptions(draw, draw.pick(watchValues)),
        draw.chance(0.3) ? `fieldSelector=${draw.pick(nameSelectors)}` : '',
      ),
    }),
  },
  {
    name: 'watch by prefix',
    make: (draw, place) => ({
      method: draw.pick(readMethods),
      target: withQuery(
        draw.pick(legacyWatches(place)),
        watchOptions(
          draw,
          draw.pick(['', '', 'watch=false', 'watch=true', 'fieldSelector=metadata.name=kept']),
        ),
      ),
    }),
  },
  {
    name: 'get subresource',
    make: (draw, place) => ({
      method: draw.pick(readMethods),
      target: draw.pick(subresources(place)),
    }),
  },
];
