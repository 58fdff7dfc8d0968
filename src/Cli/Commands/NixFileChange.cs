using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Terminal;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary>A change of this program's lines in a file of Nix.</summary>
/// <param name="Lines">None: they go.</param>
/// <param name="Option">Names another file.</param>
internal sealed record NixFileChange(MarkedLines File, IReadOnlyList<string> Lines, string Option = "--nix-conf")
{
    /// <summary>The file is its owner's alone, and the last word of each line is not shown.</summary>
    public bool IsSecret { get; init; }

    /// <summary>Instead of lines that nobody reads: what they are.</summary>
    public string? Summary { get; init; }

    private bool IsDone => File.Read().AsSpan().SequenceEqual(File.With(Lines));

    /// <summary>Shows the changes, asks, and makes them.</summary>
    /// <exception cref="CliException">A file is not to be changed, or nobody said yes; nothing is written.</exception>
    public static void Carry(IReadOnlyList<NixFileChange> plan, bool yes)
    {
        var open = plan.Where(change => !change.IsDone).ToList();
        if (open.Count == 0)
        {
            Console.Out.WriteLine(plan.All(change => change.Lines.Count == 0) ? "nothing to take out"
                : $"{string.Join(" and ", plan.Where(c => c.Lines.Count > 0).Select(c => c.File.Path))}: as it should be already");
            return;
        }

        foreach (var change in open)
            change.Show();
        foreach (var change in open)
            change.DemandWritable();
        if (!yes)
            Confirmation.Demand("Write this?", "Nothing is written.", "say --yes");
        foreach (var change in open)
            change.File.Write(change.File.With(change.Lines), change.IsSecret && change.Lines.Count > 0);
        Console.Out.WriteLine("written");
        if (Environment.UserName != "root" && open.Exists(change => change.Lines.Count > 0))
            Console.Error.WriteLine(
                "note: a Nix daemon heeds this of trusted users only; run as root, 'orleans-cache use' writes for the whole machine");
    }

    private void Show()
    {
        Console.Out.WriteLine($"{File.Path}:");
        foreach (var line in Summary is { } summary ? [summary] : Lines)
            Console.Out.WriteLine($"  {(IsSecret ? $"{line[..line.LastIndexOf(' ')]} …" : line)}");
        if (Lines.Count == 0)
            Console.Out.WriteLine("  (the lines of 'orleans-cache use' for this cache go)");
    }

    // What is in the store is made from a configuration, and nobody else may change it.
    private void DemandWritable()
    {
        if (File.Target.StartsWith(StorePath.StoreDir + "/", StringComparison.Ordinal))
            throw new CliException(ExitCodes.Usage,
                $"{File.Path} leads to {File.Target}: it is made by the configuration of this machine or user, and cannot " +
                $"be changed. Put these lines there (nix.settings of NixOS and of home-manager), or name another file with {Option}. " +
                "Nothing is written.");
    }
}
