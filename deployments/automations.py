"""The automations: what Prefect's server does when something happens that a person must know of (docs/alerts.md).

They are data: `automations` gives them for the notification blocks that are to tell, under names that stay as they are.
To update one whose posture is proactive begins its clock anew: write only what differs.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from prefect.automations import Automation, ChangeFlowRunState, EventTrigger, Posture, ResourceSpecification
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypesOrUnknown, SendNotification

from tasks.dispatch import HELD, LATE, TOLD_ALREADY
from tasks.events import Happened
from tasks.memory import RAN_OUT

TAG = "inlet"
"""The tag of every deployment whose runs are watched."""

SOURCE, DROP = "{{ event.payload.source }}", "{{ event.payload.source }} {{ event.payload.drop }}"
RUN = "{{ flow_run | ui_url }}"
DEPLOYMENT = "{{ flow.name }}/{{ deployment.name }}"


class Patience(NamedTuple):
    """How long things may take, and after which time the same is told `again`."""

    again: timedelta = timedelta(hours=12)
    silent: timedelta = timedelta(minutes=10)  # a run says every 3 minutes that it lives
    pending: timedelta = timedelta(minutes=30)
    untaken: timedelta = timedelta(minutes=30)
    running: timedelta = timedelta(hours=24)


class Alert(NamedTuple):
    """Of which event who is told what: `each` names the labels for each of which it is told by itself."""

    name: str
    event: Happened
    subject: str
    todo: str
    each: tuple[str, ...] = ()

    @property
    def body(self) -> str:
        """What happened, what to do, and the run."""
        return f"{{{{ event.payload.what }}}}\n\n{self.todo}\n\nRun: {RUN}"


_REVISION = ("related:drop:prefect.resource.id", "related:drop:inlet.revision")

ALERTS = (
    Alert(
        "inlet: a drop is late",
        "inlet.drop.late",
        f"{SOURCE} is late",
        f"Ask the party. It is told once, and once more when the drop is there. To be left alone: inlet hold {SOURCE}"
        " --reason …{% if event.payload.waiting %}\n\nListed, but not landed: {{ event.payload.waiting | join(', ') }}"
        "{% endif %}",
    ),
    Alert(
        "inlet: a late source has recovered",
        "inlet.source.recovered",
        f"{SOURCE} has recovered",
        "Nothing is to be done.",
    ),
    Alert(
        "inlet: too many records of a drop were rejected",
        "inlet.drop.rejected",
        f"{DROP}: too many records rejected",
        "Nothing of the drop was committed. Correct the reader or raise the source's limit; if the drop is right all"
        f" the same: inlet accept {DROP} --reason …; else ask the party.",
        (*_REVISION, "related:dataset:prefect.resource.id"),
    ),
    Alert(
        "inlet: a drop failed its checks",
        "inlet.drop.held",
        f"{DROP} failed its checks",
        "Its rows are in candidate.{{ event.payload.schema }}, and current is as it was. If the drop is right all the"
        f" same: inlet accept {DROP} --reason …; else ask the party, or correct the mapping.",
        (*_REVISION, "related:schema:prefect.resource.id"),
    ),
    Alert(
        "inlet: columns have drifted",
        "inlet.schema.drifted",
        f"{DROP}: columns have drifted{{% if event.payload.refused %}}, it was refused{{% endif %}}",
        "{% if event.payload.refused %}Nothing of it was committed: ask the party whether it meant it, then change the"
        " dataset's drift or the mapping.{% else %}It was taken: look whether the mapping wants a new column, or misses"
        " one.{% endif %}",
        (*_REVISION, "related:dataset:prefect.resource.id", "related:schema:prefect.resource.id"),
    ),
    Alert(
        "inlet: people's data want a decision",
        "inlet.compliance.flagged",
        f"{SOURCE}: people's data want a decision",
        "Say in the source's declaration what it holds (phi), and give the lake's block a KMS key where it is people's"
        " data.",
    ),
)
"""Of which events a person is told; of what landed and was published nobody is."""

_ENDED = tuple(
    f"prefect.flow-run.{state}"
    for state in ("Completed", "Failed", "TimedOut", "Crashed", "Cancelling", "Cancelled", HELD, LATE, TOLD_ALREADY)
)
_PUT_OFF = tuple(
    f"prefect.flow-run.{state}"
    for state in ("Scheduled", "AwaitingRetry", "AwaitingConcurrencySlot", "Rescheduled", "Paused", "Suspended", "Late")
)


PATIENCE = Patience()


def automations(*blocks: UUID, patience: Patience = PATIENCE) -> list[Automation]:
    """Every automation, telling by these notification blocks; their names are what they are known by."""
    return [*(_alert(alert, blocks, patience) for alert in ALERTS), *_runs(blocks, patience)]


def _alert(alert: Alert, blocks: Sequence[UUID], patience: Patience) -> Automation:
    once = alert.event in ("inlet.drop.late", "inlet.source.recovered")  # these are emitted once by themselves
    return Automation(
        name=alert.name,
        description=f"Tells of {alert.event}.",
        trigger=EventTrigger(
            expect={alert.event},
            match=ResourceSpecification({"prefect.resource.id": "inlet.source.*"}),
            posture=Posture.Reactive,
            threshold=1,
            for_each=set() if once else {"prefect.resource.id", *alert.each},
            within=timedelta(0) if once else patience.again,
        ),
        actions=_told(blocks, alert.subject, alert.body),
    )


def _runs(blocks: Sequence[UUID], patience: Patience) -> list[Automation]:
    """Those on runs of deployments that are tagged `inlet`: a flow is named for its source, a run also for its drop."""
    run, pending, running = "prefect.resource.id", "prefect.flow-run.Pending", "prefect.flow-run.Running"
    begun = {running, "prefect.flow-run.Retrying"}
    says = "{{ flow_run.state.message }}"
    given = "flow_run.parameters.drops"
    drops = f"{{% if {given} %}} ({{{{ {given} if {given} is string else {given} | join(', ') }}}}){{% endif %}}"
    again = "It may simply be run again: what is committed is not done twice."
    looks = "Look at the worker's log"
    return [
        Automation(
            name="inlet: a run failed",
            description="Tells of runs that failed, but of what is told by an event, or by the drop's own run.",
            trigger=_reactive({"prefect.flow-run.Failed", "prefect.flow-run.TimedOut"}, patience),
            actions=_told(blocks, f"{{{{ flow_run.name }}}} failed ({DEPLOYMENT})", f"{says}\n\n{again}\n\nRun: {RUN}"),
        ),
        Automation(
            name="inlet: a run crashed",
            description="Tells of runs whose process died.",
            trigger=_reactive({"prefect.flow-run.Crashed"}, patience),
            actions=_told(
                blocks,
                f"{{{{ flow_run.name }}}} crashed ({DEPLOYMENT})",
                f"{says}\n\n{looks}, and for memory that ran out. {again}\n\nRun: {RUN}",
            ),
        ),
        Automation(
            name="inlet: a run's memory ran out",
            description="Says so in the run's state, and what to choose.",
            trigger=EventTrigger(
                # a pod that fails with a reason is told of as evicted
                expect={"prefect.kubernetes.pod.failed", "prefect.kubernetes.pod.evicted"},
                match=ResourceSpecification(
                    {"prefect.resource.id": "prefect.kubernetes.pod.*", "kubernetes.diagnosis": "OOMKilled"}
                ),
                posture=Posture.Reactive,
                threshold=1,
                for_each={run},
                within=patience.again,
            ),
            # whatever else was made of it: a process that is killed can only be said to have ended
            actions=[ChangeFlowRunState(name=None, state=StateType.CRASHED, message=RAN_OUT, force=True)],
        ),
        Automation(
            name="inlet: a run went silent",
            description="Calls a run crashed that no longer says that it lives, as its machine is gone.",
            trigger=_proactive(
                {"prefect.flow-run.heartbeat"},
                {"prefect.flow-run.heartbeat", *_ENDED, *_PUT_OFF},
                {run},
                patience.silent,
            ),
            actions=[
                ChangeFlowRunState(
                    name=None,
                    state=StateType.CRASHED,
                    message=f"It has not said for {patience.silent} that it lives",
                    force=False,
                )
            ],
        ),
        Automation(
            name="inlet: a run does not begin",
            description="Tells of runs that a worker took and that do not begin.",
            trigger=_proactive({pending}, {*begun, *_ENDED, *_PUT_OFF}, {run}, patience.pending),
            actions=_told(
                blocks,
                f"{DEPLOYMENT} does not begin",  # a run is named for source and drop when it begins
                f"It is pending for {patience.pending}{drops}. {looks}: perhaps no room, or no image.\n\nRun: {RUN}",
            ),
        ),
        Automation(
            name="inlet: nobody takes a deployment's runs",
            description="Tells where runs wait and no worker has taken any of them.",
            trigger=_proactive(
                {"prefect.flow-run.Late"},
                {pending, running, "prefect.flow-run.AwaitingConcurrencySlot", *_ENDED},
                {"related:deployment:prefect.resource.id"},
                patience.untaken,
            ),
            actions=_told(
                blocks,
                f"Nobody takes {DEPLOYMENT}",
                f"No run of it was taken for {patience.untaken}{drops}. Look whether a worker of the pool lives, and"
                f" whether it is at its limit.\n\nRun: {RUN}",
            ),
        ),
        Automation(
            name="inlet: a run does not end",
            description="Tells of runs that take very long.",
            trigger=_proactive({running}, {*_ENDED, *_PUT_OFF}, {run}, patience.running),
            actions=_told(
                blocks,
                f"{{{{ flow_run.name }}}} does not end ({DEPLOYMENT})",
                f"It is running for {patience.running}. Look at its log and its progress; to end it: prefect flow-run"
                f" cancel {{{{ flow_run.id }}}}. {again}\n\nRun: {RUN}",
            ),
        ),
    ]


def _reactive(events: set[str], patience: Patience) -> EventTrigger:
    """The same run, by its name, is told of once in a while, as a source that is polled fails each time."""
    return EventTrigger(
        expect=events,
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=_tagged(),
        posture=Posture.Reactive,
        threshold=1,
        for_each={"prefect.resource.name"},
        within=patience.again,
    )


def _proactive(after: set[str], expect: set[str], each: set[str], within: timedelta) -> EventTrigger:
    return EventTrigger(
        after=after,
        expect=expect,
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=_tagged(),
        posture=Posture.Proactive,
        threshold=1,
        for_each=each,
        within=within,
    )


def _tagged() -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"})


def _told(blocks: Sequence[UUID], subject: str, body: str) -> list[ActionTypesOrUnknown]:
    return [SendNotification(block_document_id=block, subject=subject, body=body) for block in blocks]
