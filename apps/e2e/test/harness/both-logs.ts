import { describe } from '@jest/globals';
import { describeOnKafka } from '@cf/testing';
import type { Engine } from './installation.js';

/** The same promises on both logs. Without a Kafka that half is a loud, counted skip (a failure with CI=true). */
export const onBothLogs = (flow: string, promises: (engine: Engine) => void): void => {
  describe(`${flow}, on the embedded log`, () => promises('embedded'));
  describeOnKafka(`${flow}, on Kafka`, () => promises('kafka'));
};
