using System.Globalization;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Http;

/// <summary>The routes of credentials and publishers.</summary>
internal sealed partial class Api
{
    public Task<WhoAmI> WhoAmIAsync(CancellationToken cancellationToken) =>
        SendAsync("asking who this is", HttpMethod.Get, "/v1/whoami", null, ProtocolJson.Default.WhoAmI, cancellationToken);

    public Task<AccessChecked> CheckAccessAsync(string token, CancellationToken cancellationToken) =>
        SendAsync("checking the token", HttpMethod.Post, "/v1/access/check", Body(new CheckAccess { Token = token },
            ProtocolJson.Default.CheckAccess), ProtocolJson.Default.AccessChecked, cancellationToken);

    public Task<Blocked> BlockAsync(BlockSubjects request, CancellationToken cancellationToken) =>
        SendAsync("blocking", HttpMethod.Post, "/subjects/blocks", Body(request, ProtocolJson.Default.BlockSubjects),
            ProtocolJson.Default.Blocked, cancellationToken);

    public Task<BlockList> BlocksAsync(bool liftedToo, CancellationToken cancellationToken) =>
        SendAsync("asking for the blocks", HttpMethod.Get, liftedToo ? "/subjects/blocks?lifted=true" : "/subjects/blocks", null,
            ProtocolJson.Default.BlockList, cancellationToken);

    public Task UnblockAsync(long id, CancellationToken cancellationToken) =>
        retry.RunAsync("unblocking", c => AttemptAsync<Block>(HttpMethod.Delete,
            string.Create(CultureInfo.InvariantCulture, $"/subjects/blocks/{id}"), null, null, null, c), cancellationToken);
}
