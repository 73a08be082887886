"""How the cluster is, read out of what its policies know. Nothing is changed, nobody is asked."""

from anyclaude.backends.fleet import Fleet
from anyclaude.backends.node import NodeBackend
from anyclaude.backends.status import BackendStatus, NodeStatus
from anyclaude.cluster.estimates import Standing
from anyclaude.cluster.member import Member
from anyclaude.config.drained import address_of


def cluster_status(name: str, fleet: Fleet, strategy: str, queue: int | None, now: float) -> BackendStatus:
    """now: seconds of the clock that the policies are told."""
    known = ((member, fleet.nodes.get(member.id)) for member in fleet.members)
    nodes = tuple(
        _node_status(member, node, fleet.routing.standing(member.id), now) for member, node in known if node is not None
    )
    models = {node.model for node in nodes if node.model}
    model = models.pop() if len(models) == 1 else None
    return BackendStatus(name, model, strategy, queue, nodes, dict(fleet.happened.counts))


def _node_status(member: Member, node: NodeBackend, standing: Standing, now: float) -> NodeStatus:
    report = member.report
    return NodeStatus(
        id=member.id,
        address=address_of(node.node),
        status=member.status(now),
        reason=member.reason(now),
        breaker=member.breaker.state(now),
        drained=member.drained,
        model=report.model if report else None,
        active=member.in_flight,
        pending_tokens=member.pending_tokens,
        prefill_tps=standing.prefill_tps or (report.prefill_tps if report else None),
        decode_tps=standing.decode_tps or (report.decode_tps if report else None),
        lately=member.lately.figures(),
    )
