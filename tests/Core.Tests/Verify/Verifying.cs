using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Verify;

/// <summary>Pushes with real NARs.</summary>
internal static class Verifying
{
    /// <summary>Uploads these files for all that the push was granted, by path, and reports them.</summary>
    public static Task<ReportAnswer> UploadAsync(this World world, Caller caller, PushOpened push, params (string Path, byte[] File)[] files) =>
        world.UploadAsync(caller, push, [.. files.Select(f => (World.Hash(f.Path), f.File))]);

    private static async Task<ReportAnswer> UploadAsync(this World world, Caller caller, PushOpened push, (StorePathHash Path, byte[] File)[] files)
    {
        var uploads = new List<UploadedNar>();
        foreach (var (path, file) in files)
        {
            var status = Assert.Single(push.Missing, m => m.Path == path);
            var grant = Assert.Single(push.Uploads, u => u.Id == status.Upload);
            world.Store.Upload(grant.Url ?? grant.Parts[0], file);
            uploads.Add(new UploadedNar
            {
                Upload = grant.Id,
                FileHash = Sha256Hash.FromBytes(SHA256.HashData(file)),
                FileSize = file.Length,
                Md5 = [Convert.ToHexStringLower(MD5.HashData(file))],
            });
        }

        return await world.Of(caller).ReportAsync(CacheName.Default, World.Id(push), new UploadReport { Uploads = uploads },
            CancellationToken.None);
    }

    /// <summary>Begins, uploads and reports a closure of such NARs.</summary>
    public static async Task<PushOpened> SendAsync(this World world, Caller caller, BeginPush closure, params TextNar[] nars)
    {
        var push = await world.BeginAsync(caller, closure);
        await world.UploadAsync(caller, push, [.. nars.Where(n => push.Missing.Any(m => m.Path == n.Hash && m.Upload is not null))
            .Select(n => (n.Hash, n.File))]);
        return push;
    }

    public static Task<CommitAnswer> CommitAsync(this World world, Caller caller, PushOpened push, TimeSpan? patience = null) =>
        world.CommitAsync(push, world.Of(caller), patience ?? TimeSpan.Zero);

    public static async Task<PathStatus> WaitAsync(this World world, Caller caller, PushOpened push, string path) =>
        Assert.Single((await world.Of(caller).WaitAsync(CacheName.Default, World.Id(push),
            new WaitRequest { Paths = [World.Hash(path)], TimeoutSeconds = 0 }, CancellationToken.None)).Paths);

    /// <summary>The same with the grant, if it is to be uploaded.</summary>
    public static Task<WaitAnswer> AskAsync(this World world, Caller caller, PushOpened push, string path) =>
        world.Of(caller).WaitAsync(CacheName.Default, World.Id(push), new WaitRequest { Paths = [World.Hash(path)], TimeoutSeconds = 0 },
            CancellationToken.None);

    public static Task<int> VerifyAsync(this World world) => world.Core.RunVerificationAsync(CancellationToken.None);

    public static Task<long> WaitingAsync(this World world) => world.QueryAsync<long>("select count(*) from verification");
}
