import * as fc from 'fast-check';

/** Words that RequestInfo treats specially, beside ordinary ones: any mix of them is a path somebody could send. */
const WORDS = [
  'api',
  'apis',
  'v1',
  'apps',
  'namespaces',
  'watch',
  'proxy',
  'pods',
  'payments',
  'x',
  'status',
  'finalize',
  'exec',
  'log',
  'nodes',
  'version',
  'healthz',
];

/** Ways to say, or to hide, a separator, a dot segment, a control character; and what others trip over. */
const ODDITIES = [
  '',
  '.',
  '..',
  '%2e',
  '%2E%2e',
  '%2F',
  'x%2Fexec',
  'x%252Fexec',
  '%5C',
  'a\\b',
  '%00',
  '%0a',
  '%zz',
  '%',
  '%c0%af',
  '%ed%a0%80',
  '%ef%bb%bf',
  '%C3%BC',
  'ü',
  'x;y',
  'x%3By',
  'a b',
  'a+b',
  'a:b',
  "(!*')",
  '$&,=@',
  'PODS',
];

const PARAMETERS = [
  'watch=true',
  'watch=',
  'watch',
  'watch=0',
  'watch=1',
  'watch=False',
  'watch=fal%C5%BFe',
  'watch=no',
  'limit=500',
  'limit=',
  'limit=+5',
  'limit=1_0',
  'limit=9223372036854775808',
  'timeoutSeconds=x',
  'fieldSelector=metadata.name%3Dx',
  'fieldSelector=metadata.name==x,spec.nodeName!=y',
  'fieldSelector=metadata.name%3D..',
  'fieldSelector=metadata.name%3Da%252fb',
  'fieldSelector=bad',
  'labelSelector=app%3Dcheckout',
  'labelSelector=app+in+(a,b)',
  'labelSelector=%2B',
  'dryRun=All',
  'command=sh',
  'command=-c',
  'command=a%0Ab%26c',
  'Watch=true',
  '=x',
  '',
  'a=b=c',
  'a=%zz',
  'a=%00',
  'a;b=c',
  'a=%3b',
  'a=%ff',
  '__proto__=1',
  'a?b=/c',
];

const segment = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...WORDS) },
  { weight: 1, arbitrary: fc.constantFrom(...ODDITIES) },
);

/** Raw request-targets from the words that matter, mostly well-formed, some hostile. */
export const plausibleTarget = fc
  .record({
    segments: fc.array(segment, { maxLength: 8 }),
    lead: fc.constantFrom('/api/v1/', '/apis/apps/v1/', '/', '/api/', '/apis/'),
    end: fc.constantFrom('', '', '', '/', '//'),
    query: fc.array(fc.constantFrom(...PARAMETERS), { maxLength: 4 }),
    mark: fc.constantFrom('', '?'),
  })
  .map(({ segments, lead, end, query, mark }) => {
    const path = `${lead}${segments.join('/')}${end}`;
    return query.length === 0 ? `${path}${mark}` : `${path}?${query.join('&')}`;
  });

/** Any text at all, with the characters of a target over-represented. */
export const hostileTarget = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          '/',
          '//',
          '?',
          '&',
          '=',
          ';',
          '#',
          '%',
          '%2f',
          '%25',
          '.',
          '..',
          '\\',
          '+',
        ),
        fc.constantFrom(...WORDS),
        fc.string({ unit: 'grapheme', maxLength: 3 }),
      ),
      { maxLength: 20 },
    )
    .map((parts) => `/${parts.join('')}`),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
);

export const method = fc.constantFrom(
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'get',
  'OPTIONS',
  'TRACE',
);

export const fieldSelectorText = fc
  .array(
    fc.constantFrom('metadata.name', 'a', 'b', '=', '==', '!=', ',', '\\', '\\,', '\\=', ' ', 'ü'),
    {
      maxLength: 9,
    },
  )
  .map((parts) => parts.join(''));

const labelRequirement = fc.constantFrom(
  ...'app|!app|a.b/c|app=x|app==x|app!=x|app=|app in (a,b)|app notin (a)|in in (in)|notin'.split(
    '|',
  ),
  ...'app in ()|app in (,a,,)| app  =	x |n>5|n<-5|n > +5|n>|app in a|app=a b|!app=x|!!app'.split(
    '|',
  ),
  ...'=x|app=_x|A/b/c|ü|app===x|app=!x|()'.split('|'),
);

const labelToken = fc.constantFrom(
  ...'app|in|notin|(|)|,|=|==|!=|!|>|<|5| |_x|a.b/c'.split('|'),
  'x'.repeat(63),
  'x'.repeat(64),
  `${'p'.repeat(253)}/n`,
  `${'p'.repeat(254)}/n`,
);

export const labelSelectorText = fc.oneof(
  fc.array(labelRequirement, { maxLength: 3 }).map((parts) => parts.join(',')),
  fc.array(labelToken, { maxLength: 7 }).map((parts) => parts.join('')),
);

/** Plain YAML scalars on the borders between types. */
export const plainScalar = fc.oneof(
  fc.constantFrom(
    ...'yes No ON off y N true True TRUE tRUE ~ null Null NULL nULL = < + -x'.split(' '),
    ...'0777 010 08 0o17 0O17 0x1F 0X1F 0b11 0B11 -0x1 +0x1 00 -0 0x 0o 0b 0x_1 0b2 0xfg'.split(
      ' ',
    ),
    ...'1_000 1__0 _1 0_7 5_ 1.5 1. .5 +.5 -.5 1e3 1E+3 1e-3 .e3 1e e1 +0e5_ 0. 1.2.3'.split(' '),
    ...'.inf -.INF .nan .NaN inf nan Infinity 1e400 12:30 12:30:45 80:80 190:20:30.15'.split(' '),
    ...'2001-01-01 2001-1-1 2001-12-14t21:59:43.10-05:00 1,000 +1 +-1 --1 1-1'.split(' '),
    ...'9007199254740993 9223372036854775808 18446744073709551616'.split(' '),
    '2001-12-15 2:59:43.10',
  ),
  fc
    .stringMatching(/^[-+0-9._xXobBeE:aFyYnN~]{1,6}$/)
    .filter((text) => !/^[-?:](?:$|\s)|^[-?:]$|:$/.test(text)),
);
