import { Body, Controller, HttpCode, Post, UseGuards } from '@nestjs/common';
import { Idempotent } from '@cf/idempotency';
import { OperatorGuard } from '@cf/registry-cache';
import { Operation, ZodPipe } from '@cf/service-kit';
import { z } from 'zod';
import { type KeyRotation, RotateKeys } from './key-rotation.js';

/** A rotation has nothing to say: the key ring says it. */
const keyRotationBody = z.strictObject({}).optional();

const keyRotationAnswer = z
  .object({
    sealingKey: z.string().describe('Id of the first key of the ring, with which secrets are sealed.'),
    resealed: z.int().describe('Registered APIs and cloud functions that were sealed anew by this request.'),
    keysInUse: z.array(z.string()),
    keysToRemove: z.array(z.string()).describe('Keys that may leave ENCRYPTION_KEYS now, of every registry and invoker.'),
    done: z.boolean().describe('False: time was over, or the broker did not acknowledge in time; send it again.'),
  })
  .meta({ id: 'KeyRotation' });

@Controller('v1/key-rotations')
@UseGuards(OperatorGuard)
@Idempotent()
export class KeyRotationsController {
  constructor(private readonly rotateKeys: RotateKeys) {}

  @Post()
  @HttpCode(200)
  @Operation({
    summary: 'Seal every secret with the first key of the ring',
    description: 'The steps around it are in deploy/README.md. Harmless at any time; send it again until `done`.',
    answer: keyRotationAnswer,
    example: {},
  })
  rotate(@Body(new ZodPipe(keyRotationBody)) _body: unknown): Promise<KeyRotation> {
    return this.rotateKeys.run();
  }
}
