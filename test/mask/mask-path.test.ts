import { describe, expect, test } from 'vitest';
import { parseMaskPath } from '../../src/mask/mask-path.ts';

const kinds = (text: string): string[] => {
  const path = parseMaskPath(text);
  if (!path.ok) throw new Error(path.error);
  return path.value.steps.map((step) => (step.kind === 'key' ? step.key : step.kind));
};

describe('a mask path parses into the steps that it says', () => {
  test.each([
    { path: 'data.*', steps: ['data', 'every-key'] },
    {
      path: 'spec.containers[*].env[*].value',
      steps: ['spec', 'containers', 'every-item', 'env', 'every-item', 'value'],
    },
    { path: "metadata.annotations['a.b/c']", steps: ['metadata', 'annotations', 'a.b/c'] },
    { path: 'data["x y"]', steps: ['data', 'x y'] },
    { path: "env[?name=~'TOKEN'].value", steps: ['env', 'items-where', 'value'] },
    { path: "env[?name=='A'].value", steps: ['env', 'items-where', 'value'] },
  ])('$path', ({ path, steps }) => {
    expect(kinds(path)).toEqual(steps);
  });
});

describe('a path that could be read in two ways, or not at all, is refused with its place', () => {
  test.each([
    { path: '', says: '1 to 1024' },
    { path: 'data..x', says: 'expected a key' },
    { path: '.data', says: 'expected a key' },
    { path: 'data[0]', says: 'expected "."' },
    { path: 'data[', says: 'expected "."' },
    { path: "env[?name=~'('].value", says: 'does not parse' },
    { path: 'data.', says: 'expected a key' },
    { path: 'a b', says: 'expected "."' },
  ])('$path', ({ path, says }) => {
    const parsed = parseMaskPath(path);
    expect(parsed.ok).toBe(false);
    expect(parsed.ok ? '' : parsed.error).toContain(says);
  });
});
