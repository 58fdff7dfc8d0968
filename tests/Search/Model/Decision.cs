namespace OrleansCache.Model.Tests;

/// <summary>
/// One thing that a schedule does. A list of them is a schedule; those that fit no more when others are left out do nothing.
/// </summary>
internal abstract record Decision;

/// <param name="AtOnce">To its end, without anything in between.</param>
internal sealed record StartDecision(Operation Operation, bool AtOnce) : Decision
{
    public override string ToString() => $"{(AtOnce ? "do" : "start")} {Operation}";
}

internal sealed record StepDecision(int Operation, int Call, Fault Fault) : Decision
{
    public override string ToString() => $"step {Operation}.{Call}{(Fault == Fault.None ? "" : $" ({Fault})")}";
}

/// <summary>A request's connection breaks; its process goes on with it, or is dead.</summary>
internal sealed record LoseDecision(int Operation, int Call, bool Dead) : Decision
{
    public override string ToString() => $"{(Dead ? "kill" : "lose")} {Operation}.{Call}";
}

/// <summary>A gateway is killed, with all its requests.</summary>
internal sealed record CrashDecision(int Gateway) : Decision
{
    public override string ToString() => $"kill -9 of gateway {Gateway}";
}

internal sealed record JumpDecision(TimeSpan Time) : Decision
{
    public override string ToString() => $"{Time} later";
}

/// <summary>A write or deletion that nobody waited for takes effect.</summary>
internal sealed record LandDecision(string Effect) : Decision
{
    public override string ToString() => $"late: {Effect}";
}
