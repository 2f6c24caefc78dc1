/**
 * Lint rules: typescript-eslint's strict type-checked set, less what strict TypeScript or the formatter says already.
 * Each departure states its reason.
 */
import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  globalIgnores(['.tools/', 'build/', 'dist/', 'prebuilds/', 'bench/out/', 'node_modules/']),
  {
    files: ['**/*.ts'],
    extends: [js.configs.recommended, tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // A floating promise is an error nobody sees; the tests' own `test()` and `describe()` are awaited by the runner.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            {
              from: 'package',
              package: '@types/node',
              name: ['test', 'it', 'describe', 'suite', 'skip', 'todo', 'only'],
            },
            {
              from: 'package',
              package: 'node:test',
              name: ['test', 'it', 'describe', 'suite', 'skip', 'todo', 'only'],
            },
          ],
        },
      ],
      // Numbers and booleans read well in a template; objects and null do not.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/restrict-plus-operands': ['error', { allowNumberAndString: true }],
      // `() => voidCall()` is the shape of every callback here.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidOperator: true },
      ],
      // tsc reports these (noUnusedLocals, noUnusedParameters).
      '@typescript-eslint/no-unused-vars': 'off',
      // The compiler wants o['name'] for index signatures (noPropertyAccessFromIndexSignature).
      '@typescript-eslint/dot-notation': 'off',
      // An interface that is implemented asynchronously elsewhere may have a synchronous body here.
      '@typescript-eslint/require-await': 'off',
      // `while (true)` with a break inside is the honest form of a loop that ends in its middle.
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      // Both `interface` and `type` have their place; both index forms too.
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/consistent-indexed-object-style': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    // Programs that talk to a terminal.
    files: ['bench/**/*.ts', 'demo/**/*.ts', 'scripts/**/*.ts', 'test/**/*.ts', 'src/cli/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    // Time is injected: see src/base/clock.ts.
    files: ['src/**/*.ts'],
    ignores: ['src/base/clock.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...['setTimeout', 'setInterval'].map((name) => ({ name, message: 'Take a Clock (src/base/clock.ts).' })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Promise', property: 'race', message: 'It keeps the loser alive; use an AbortSignal.' },
        { object: 'Date', property: 'now', message: 'Take a Clock (src/base/clock.ts).' },
        { object: 'performance', property: 'now', message: 'Take a Clock (src/base/clock.ts).' },
        { object: 'Math', property: 'random', message: 'Take a source of randomness as a parameter.' },
      ],
    },
  },
  {
    // Tests index into what they just made, and hand over what types forbid on purpose.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/only-throw-error': 'off',
    },
  },
);
