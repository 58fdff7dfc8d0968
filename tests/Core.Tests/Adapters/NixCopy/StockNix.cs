using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Adapters.NixCopy;

/// <summary>A stock Nix with a credential of its own: what it asks and puts, without HTTP.</summary>
internal sealed class StockNix(World world, string credential = "ci", CacheCore? gateway = null)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Caller _caller = Caller(credential);

    // Of the group of those who push with no credential, as every test pusher is.
    public static Caller Caller(string credential = "ci") => new(credential, Contracts.Caller.Anonymous.Group, 0);

    private INixCopy Writer => (gateway ?? world.Core).NixCopy;

    /// <summary><c>GET &lt;hash&gt;.narinfo</c>: true for 200.</summary>
    public Task<bool> AskAsync(string name) => Writer.PromisePathAsync(CacheName.Default, _caller, World.Hash(name),
        CancellationToken.None);

    /// <summary><c>HEAD nar/…</c>: true for 200.</summary>
    public async Task<bool> AskNarAsync(string name, string? content = null) =>
        await Writer.PromiseNarAsync(CacheName.Default, _caller, File(name, content).Name, CancellationToken.None) is not null;

    public Task PutNarAsync(string name, string? content = null)
    {
        var (file, body) = File(name, content);
        return Writer.ReceiveNarAsync(CacheName.Default, _caller, file, new MemoryStream(body), body.Length, CancellationToken.None);
    }

    public Task<NarInfoOutcome> PutInfoAsync(string name, string[]? references = null, string? content = null, string[]? signatures = null,
        string? deriver = null) =>
        Writer.PublishAsync(CacheName.Default, _caller, Info(name, references, content, signatures, deriver), Patience,
            CancellationToken.None);

    public Task KeepAsync(NixExtra extra) => Writer.KeepAsync(CacheName.Default, _caller, extra, Patience, CancellationToken.None);

    /// <summary>NAR and narinfo.</summary>
    public async Task<NarInfoOutcome> CopyAsync(string name, params string[] references)
    {
        await PutNarAsync(name);
        return await PutInfoAsync(name, references);
    }

    /// <summary>The file of a NAR (any bytes: only hashes are looked at) that holds the name, or <paramref name="content"/>.</summary>
    public static (NarFileName Name, byte[] Body) File(string name, string? content = null)
    {
        var body = Zstd.Compress(Encoding.UTF8.GetBytes(content ?? name));
        return (Name(body, ".nar.zst"), body);
    }

    public static NarFileName Name(byte[] body, string ending)
    {
        Assert.True(NarFileName.TryParse(Sha256Hash.FromBytes(SHA256.HashData(body)).ToNix32() + ending, out var file));
        return file;
    }

    public static NarInfo Info(string name, string[]? references = null, string? content = null, string[]? signatures = null,
        string? deriver = null)
    {
        var (file, body) = File(name, content);
        var nar = Encoding.UTF8.GetBytes(content ?? name);
        return new NarInfo
        {
            StorePath = new StorePath(World.Hash(name), name),
            Url = $"nar/{file}",
            Compression = file.Compression,
            FileHash = file.FileHash,
            FileSize = body.Length,
            NarHash = Sha256Hash.Compute(nar),
            NarSize = nar.Length,
            References = [.. (references ?? []).Select(r => new StorePath(World.Hash(r), r))],
            Signatures = signatures ?? [],
            Deriver = deriver is null ? null : new StorePath(World.Hash(deriver), deriver),
        };
    }
}
