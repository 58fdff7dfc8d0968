using OrleansCache.Cli.Push;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <summary>What the pushes of an import have done so far.</summary>
internal sealed class ImportTally
{
    private readonly HashSet<StorePathHash> _conflicts = [];

    /// <summary>Paths that were looked at.</summary>
    public int Paths { get; set; }

    /// <summary>Of these, what the cache had.</summary>
    public int Present { get; set; }

    /// <summary>What it lacked and was to get, in the source's compression.</summary>
    public int Wanted { get; set; }

    public long WantedBytes { get; set; }

    public int Pushes { get; private set; }

    public int Published { get; private set; }

    /// <summary>Files that were sent as they are.</summary>
    public long Copied { get; private set; }

    /// <summary>NARs that were compressed anew.</summary>
    public long Compressed { get; private set; }

    public long NarBytes { get; private set; }

    public long FileBytes { get; private set; }

    public int Logs { get; private set; }

    public int Realisations { get; private set; }

    /// <summary>Paths of which the cache has, and keeps, other contents.</summary>
    public IReadOnlyCollection<StorePathHash> Conflicts => _conflicts;

    public void Add(PushResult push)
    {
        Pushes++;
        Published += push.Published;
        Logs += push.Logs;
        Realisations += push.Realisations;
        _conflicts.UnionWith(push.Conflicts);
    }

    public void Add(SourceContents contents)
    {
        Copied += contents.Copied;
        Compressed += contents.Compressed;
        NarBytes += contents.NarBytes;
        FileBytes += contents.FileBytes;
    }
}
