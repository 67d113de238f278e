import { Module } from '@nestjs/common';
import { idempotencyKeysIn } from '@cf/idempotency';
import { RegistryCacheModule } from '@cf/registry-cache';
import { CancellationsController } from './cancellations/cancellations.controller.js';
import { CancellationsRepository } from './cancellations/cancellations.repository.js';
import { BackTestsController } from './back-tests/back-tests.controller.js';
import { PastEvents } from './back-tests/past-events.repository.js';
import { ExecutionsDatabase } from './database/executions-database.js';
import { Partitions } from './database/partitions.js';
import { DeadLetterAudit } from './dead-letters/dead-letter-audit.js';
import { KeptDeadLettersController } from './dead-letters/kept-dead-letters.controller.js';
import { KeptDeadLetters } from './dead-letters/kept-dead-letters.repository.js';
import { OrganizationDeadLettersController } from './dead-letters/organization-dead-letters.controller.js';
import { DeadLettersConsumer } from './dead-letters.consumer.js';
import { BacklogMetrics } from './due/backlog-metrics.js';
import { Claimer } from './due/claimer.js';
import { DueRepository } from './due/due.repository.js';
import { DueRequestsPublisher } from './due/due-requests.publisher.js';
import { TriggerChanges } from './due/trigger-changes.js';
import { TriggerStanding } from './due/trigger-standing.js';
import { ErasableLetters } from './erasure/erasable-letters.repository.js';
import { ErasureRepository } from './erasure/erasure.repository.js';
import { ErasureTurns } from './erasure/erasure-turns.js';
import { ErasuresController } from './erasure/erasures.controller.js';
import { EXECUTIONS_CONFIG, readExecutionsConfig } from './executions.config.js';
import { ExecutionsGroup } from './executions.group.js';
import { ExecutionAudit } from './execution-audit.js';
import { ExecutionsShutdown } from './executions.shutdown.js';
import { CircuitNotices } from './health/circuit-notices.js';
import { FunctionCircuits } from './health/function-circuits.repository.js';
import { FunctionHealthController } from './health/function-health.controller.js';
import { FunctionHealthRepository } from './health/function-health.repository.js';
import { HealthDeltas } from './health/health-deltas.repository.js';
import { HealthTidier } from './health/health-tidier.js';
import { HealthFolder } from './health/health-folder.js';
import { RecordedInvocationResultsConsumer } from './invocation-results.consumer.js';
import { NotificationFeed } from './notifications/notification-feed.js';
import { AllNotificationsController, NotificationsController } from './notifications/notifications.controller.js';
import { NotificationDeliveries } from './notifications/notification-deliveries.repository.js';
import { NotificationSender } from './notifications/notification-sender.js';
import { NotificationWebhookController } from './notifications/notification-webhook.controller.js';
import { NotificationWebhooks } from './notifications/notification-webhooks.repository.js';
import { Notifications } from './notifications/notifications.repository.js';
import { ExecutionPages } from './query/execution-pages.repository.js';
import { ExecutionsController } from './query/executions.controller.js';
import { ExecutionsStatisticsController } from './query/executions-statistics.controller.js';
import { ExecutionsStatistics } from './query/executions-statistics.repository.js';
import { ExecutionsRepository } from './query/executions.repository.js';
import { DeadLettersRepository } from './recording/dead-letters.repository.js';
import { Recorder } from './recording/recorder.js';
import { ResultsRepository } from './recording/results.repository.js';
import { ExecutionChanges } from './stream/execution-changes.repository.js';
import { ExecutionFeed } from './stream/execution-feed.js';
import { ExecutionsStreamController } from './stream/executions-stream.controller.js';
import { OpenStreams } from './stream/open-streams.js';
import { ReplayBatches } from './replays/replay-batches.repository.js';
import { ReplaySettler } from './replays/replay-settler.js';
import { ReplaySettling } from './replays/replay-settling.repository.js';
import { Replayer } from './replays/replayer.js';
import { ReplaysController } from './replays/replays.controller.js';
import { ReplaysRepository } from './replays/replays.repository.js';
import { CLOCK, ClockWatch, machineClock } from './retention/clock-watch.js';
import { Retention } from './retention/retention.js';
import { RetentionPolicy } from './retention/retention-policy.js';
import { RetentionRepository } from './retention/retention.repository.js';
import { RecordedStepResultsConsumer } from './step-results.consumer.js';
import { RecordedEventsRepository } from './test-invocations/recorded-events.repository.js';
import { TestRunner } from './test-invocations/run-test.js';
import { TestCalls } from './test-invocations/test-calls.js';
import { TestInvocationsController } from './test-invocations/test-invocations.controller.js';

@Module({
  imports: [RegistryCacheModule.forRoot({ triggers: true })],
  controllers: [
    RecordedInvocationResultsConsumer,
    RecordedStepResultsConsumer,
    DeadLettersConsumer,
    ExecutionsController,
    CancellationsController,
    ReplaysController,
    ErasuresController,
    ExecutionsStatisticsController,
    ExecutionsStreamController,
    FunctionHealthController,
    NotificationsController,
    AllNotificationsController,
    NotificationWebhookController,
    BackTestsController,
    KeptDeadLettersController,
    OrganizationDeadLettersController,
    TestInvocationsController,
  ],
  providers: [
    { provide: EXECUTIONS_CONFIG, useFactory: readExecutionsConfig },
    ExecutionsDatabase,
    idempotencyKeysIn(ExecutionsDatabase),
    ExecutionsGroup,
    ResultsRepository,
    DeadLettersRepository,
    Recorder,
    Partitions,
    DueRepository,
    DueRequestsPublisher,
    TriggerStanding,
    Claimer,
    TriggerChanges,
    BacklogMetrics,
    ExecutionsRepository,
    ExecutionAudit,
    CancellationsRepository,
    ReplaysRepository,
    ErasableLetters,
    ErasureRepository,
    ErasureTurns,
    { provide: CLOCK, useValue: machineClock },
    ClockWatch,
    RetentionPolicy,
    RetentionRepository,
    Retention,
    ReplayBatches,
    Replayer,
    ReplaySettling,
    ReplaySettler,
    ExecutionPages,
    ExecutionsStatistics,
    PastEvents,
    ExecutionChanges,
    OpenStreams,
    ExecutionFeed,
    HealthDeltas,
    FunctionCircuits,
    CircuitNotices,
    FunctionHealthRepository,
    HealthTidier,
    HealthFolder,
    Notifications,
    NotificationFeed,
    NotificationWebhooks,
    NotificationDeliveries,
    NotificationSender,
    KeptDeadLetters,
    DeadLetterAudit,
    RecordedEventsRepository,
    TestRunner,
    TestCalls,
    ExecutionsShutdown,
  ],
})
export class ExecutionsModule {}
