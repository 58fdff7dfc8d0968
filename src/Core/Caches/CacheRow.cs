using OrleansCache.Contracts;
using OrleansCache.Core.Publish;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>A cache as the catalog has it.</summary>
/// <param name="Version">Grows with each change that a server has to learn of.</param>
/// <param name="Settings">Null: the servers' command line has them.</param>
/// <param name="Bucket">Null: the objects lie in a directory, or the place is the servers' own.</param>
/// <param name="Deleting">Since when it is being deleted.</param>
internal sealed record CacheRow(int Id, CacheName Name, byte[] Secret, long Version, CacheSettings? Settings, string? Bucket, string Prefix,
    bool IsDeclared, DateTimeOffset Created, DateTimeOffset? Deleting, IReadOnlyList<KeyRow> Keys)
{
    /// <summary>Null: there is no quota.</summary>
    public long? UsedBytes { get; init; }

    public long? UsedPaths { get; init; }

    /// <summary>The services are the same with both. A place never changes.</summary>
    public bool NeedsSameServices(CacheRow other) => HasSameKeys(other) && Equals(Of(Settings), Of(other.Settings));

    /// <summary>Both are one cache, with the same keys in the same states.</summary>
    public bool HasSameKeys(CacheRow other) => Id == other.Id
        && Keys.Select(k => (k.Name, k.State)).SequenceEqual(other.Keys.Select(k => (k.Name, k.State)))
        && (Settings?.Keys ?? []).SequenceEqual(other.Settings?.Keys ?? [], StringComparer.Ordinal);

    private static object? Of(CacheSettings? s) => s is null ? null : (s.Priority, s.GcSchedule, s.GcOlderThan, s.GcFailedUploadsOlderThan,
        s.GcGrace, s.Verify, s.IsPromotedFrom, s.QuotaBytes is null && s.QuotaPaths is null);
}

/// <summary>A key as the catalog has it.</summary>
/// <param name="Secret">Null: it is in a file of the servers.</param>
internal sealed record KeyRow(string Name, string PublicKey, string? Secret, KeyState State, DateTimeOffset Created, bool IsSigning);

/// <summary>The keys of a cache: those of the servers' files and those of the catalog, each in its state.</summary>
internal sealed class CacheKeys
{
    public CacheKeys(IReadOnlyList<SecretKey> files, IReadOnlyList<SigningCommand> commands, IReadOnlyList<KeyRow> rows)
    {
        var states = rows.ToDictionary(r => r.Name, r => r.State, StringComparer.Ordinal);
        ActiveCommands = [.. commands.Where(c => states.GetValueOrDefault(c.PublicKey.Name, KeyState.Active) == KeyState.Active)];
        var own = rows.Where(r => r.Secret is not null && files.All(f => f.Name != r.Name)).ToList();
        Active = [.. files.Where(f => states.GetValueOrDefault(f.Name, KeyState.Active) == KeyState.Active),
            .. own.Where(r => r.State == KeyState.Active).Select(r => SecretKey.Parse(r.Secret!))];
        Verifying = [.. files.Select(f => f.PublicKey).Concat(commands.Select(c => c.PublicKey))
            .Where(k => states.GetValueOrDefault(k.Name, KeyState.Active) == KeyState.Verifying),
            .. own.Where(r => r.State == KeyState.Verifying).Select(r => PublicKey.Parse(r.PublicKey))];
    }

    /// <summary>Sign what is published.</summary>
    public IReadOnlyList<SecretKey> Active { get; }

    /// <summary>The same, by programs that have the secrets.</summary>
    public IReadOnlyList<SigningCommand> ActiveCommands { get; }

    /// <summary>Have signed what readers may still meet.</summary>
    public IReadOnlyList<PublicKey> Verifying { get; }
}
