using OrleansCache.Contracts;

namespace OrleansCache.Model.Tests;

internal enum Trespass
{
    Commit,
    Abort,
    Renew,
    Wait,
    Urls,
    Report,
}

/// <summary>Mallory knows the ids of others' pushes and grants, and does something with the newest.</summary>
internal sealed record TrespassOperation(int Id, Trespass What) : Operation(Id)
{
    public override async Task RunAsync(Session session)
    {
        if (session.Promises.Newest is not { } newest)
            return;
        var (push, closure, grants) = newest;
        await session.TryAsync($"{What} of another's push", 1, async g =>
        {
            var pushes = g.Pushes.As(By.CallerOf());
            switch (What)
            {
                case Trespass.Commit:
                    await pushes.CommitAsync(CacheName.Default, push, TimeSpan.FromDays(1), CancellationToken.None);
                    break;
                case Trespass.Abort:
                    await pushes.AbortAsync(CacheName.Default, push, CancellationToken.None);
                    break;
                case Trespass.Renew:
                    await pushes.RenewAsync(CacheName.Default, push, CancellationToken.None);
                    break;
                case Trespass.Wait:
                    await pushes.WaitAsync(CacheName.Default, push, new WaitRequest
                    {
                        Paths = [.. closure.Paths.Select(p => p.Path.Hash)],
                        TimeoutSeconds = 0
                    }, CancellationToken.None);
                    break;
                case Trespass.Urls when grants.Count > 0:
                    await pushes.UrlsAsync(CacheName.Default, push, grants[0], new UrlsRequest(), CancellationToken.None);
                    break;
                case Trespass.Report when grants.Count > 0:
                    await pushes.ReportAsync(
                        CacheName.Default, push,
                        new UploadReport
                        {
                            Uploads = [new UploadedNar { Upload = grants[0], FileHash = Nix.Sha256Hash.Compute([1]),
                        FileSize = 1, Md5 = [new string('0', 32)] }]
                        }, CancellationToken.None);
                    break;
            }

            return "";
        });
    }
}
