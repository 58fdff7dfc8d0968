using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Push;

/// <summary>What several pushes together have done. Its size does not grow with them.</summary>
internal sealed class PushTotals
{
    private readonly Dictionary<RootOutcome, int> _roots = [];

    public int Pushes { get; private set; }

    public long Uploaded { get; private set; }

    public long NarBytes { get; private set; }

    public long FileBytes { get; private set; }

    /// <summary>Paths made visible, with those that the roots need.</summary>
    public long Published { get; private set; }

    /// <summary>The code of the first root that is not in the cache and should be.</summary>
    public int ExitCode { get; private set; }

    public int Roots => _roots.Values.Sum();

    public int this[RootOutcome outcome] => _roots.GetValueOrDefault(outcome);

    public int NotPushed => this[RootOutcome.Lost] + this[RootOutcome.Failed] + this[RootOutcome.Unreached];

    public void Add(PushResult result)
    {
        Pushes++;
        Uploaded += result.Uploaded;
        NarBytes += result.NarBytes;
        FileBytes += result.FileBytes;
        Published += result.Published;
    }

    public void Add(RootAnswer answer)
    {
        _roots[answer.Outcome] = this[answer.Outcome] + 1;
        Fail(answer.ExitCode);
    }

    /// <summary>Something that was named is not even a root.</summary>
    public void Fail(int exitCode)
    {
        if (ExitCode == ExitCodes.Ok)
            ExitCode = exitCode;
    }

    public string ToText(TimeSpan total)
    {
        var parts = new List<string> { $"{this[RootOutcome.Present]:N0} there already", $"{this[RootOutcome.Published]:N0} published" };
        if (this[RootOutcome.LeftOut] is var leftOut and > 0)
            parts.Add($"{leftOut:N0} left out");
        if (NotPushed > 0)
            parts.Add($"{NotPushed:N0} not pushed");
        return $"{Text.Count(Roots, "root")} in {Text.Count(Pushes, "push", "pushes")}: {string.Join(", ", parts)}; " +
            $"{Uploaded:N0} uploaded ({Text.Bytes(NarBytes)}, sent as {Text.Bytes(FileBytes)}) ({Text.Duration(total)})";
    }
}
