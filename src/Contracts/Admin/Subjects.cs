namespace OrleansCache.Contracts;

/// <summary>Refuses publishers from now on.</summary>
public sealed record BlockSubjects
{
    /// <summary>The whole of a publisher's name, in which <c>*</c> stands for any characters and <c>?</c> for one.</summary>
    public required string Pattern { get; init; }

    /// <summary>Told to whoever is refused.</summary>
    public string? Reason { get; init; }
}

/// <summary>A block: publishers who are refused.</summary>
public sealed record Block
{
    public required long Id { get; init; }

    public required string Pattern { get; init; }

    public string? Reason { get; init; }

    public required string CreatedBy { get; init; }

    public required DateTimeOffset Created { get; init; }

    public DateTimeOffset? Lifted { get; init; }

    public string? LiftedBy { get; init; }
}

/// <summary>A block that was just made.</summary>
public sealed record Blocked
{
    public required Block Block { get; init; }

    /// <summary>Open pushes that it ended.</summary>
    public required int EndedPushes { get; init; }
}

/// <summary>Blocks, newest first.</summary>
public sealed record BlockList
{
    public required IReadOnlyList<Block> Blocks { get; init; }
}
