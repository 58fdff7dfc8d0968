using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Core.Tests.Adapters.Attic;

/// <summary>An attic client with a credential of its own: what it asks and puts, without HTTP.</summary>
internal sealed class AtticClient(World world, Caller caller, CacheCore? gateway = null)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public AtticClient(World world, string credential = "ci", CacheCore? gateway = null)
        : this(world, new Caller(credential, Caller.Anonymous.Group, 0), gateway)
    {
    }

    private IAtticPushes Pushes => (gateway ?? world.Core).AtticPushes;

    /// <summary>The names of those that it would upload.</summary>
    public async Task<string[]> MissingAsync(params string[] names)
    {
        var missing = await Pushes.FindMissingAsync(CacheName.Default, caller, [.. names.Select(World.Hash)], CancellationToken.None);
        return [.. names.Where(n => missing.Contains(World.Hash(n)))];
    }

    public async Task<AtticOutcome> UploadAsync(string name, params string[] references) => (await SendAsync(name, references)).Outcome;

    /// <param name="content">The NAR (any bytes: only hashes are looked at); null: the name.</param>
    /// <param name="sent">What comes in its place.</param>
    public Task<AtticUpload> SendAsync(string name, string[]? references = null, string? content = null, byte[]? sent = null,
        CancellationToken cancellationToken = default)
    {
        var nar = Encoding.UTF8.GetBytes(content ?? name);
        return SendAsync(Path(name, nar, references), new MemoryStream(sent ?? nar), cancellationToken);
    }

    public Task<AtticUpload> SendAsync(AtticPath path, Stream nar, CancellationToken cancellationToken = default) =>
        Pushes.UploadAsync(CacheName.Default, caller, path, nar, Patience, cancellationToken);

    public static AtticPath Path(string name, byte[] nar, string[]? references = null) => new()
    {
        Path = new StorePath(World.Hash(name), name.Length > 0 ? name : "x"),
        NarHash = Sha256Hash.Compute(nar),
        NarSize = nar.Length,
        References = [.. (references ?? []).Select(r => new StorePath(World.Hash(r), r))],
    };
}
