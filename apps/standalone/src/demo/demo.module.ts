import { Module } from '@nestjs/common';
import { DemoCustomerController } from './demo-customer.controller.js';

@Module({ controllers: [DemoCustomerController] })
export class DemoModule {}
