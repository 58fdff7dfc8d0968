using System.Globalization;
using System.Net;

namespace OrleansCache.Storm;

/// <summary>
/// Sends what hostile clients send: to a gateway that answers its health check, or to the store. Counts by kind how gateways answer.
/// </summary>
internal sealed class HostileHandler(Fleet fleet, StormReport tally)
    : DelegatingHandler(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false })
{
    private static readonly AsyncLocal<string> Kind = new();
    private long _sent;

    /// <summary>To gateways.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>What the requests of this flow belong to from now on.</summary>
    public static void Play(string kind) => Kind.Value = kind;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var target = request.RequestUri!;
        if (target.Host == StormWorld.Balancer.Host)
        {
            var healthy = fleet.Gateways.Where(gateway => gateway.IsHealthy).ToList();
            if (healthy.Count == 0)
                throw new HttpRequestException("no gateway answers");
            request.RequestUri = new Uri(healthy[(int)(Sent % healthy.Count)].Url, target.PathAndQuery);
        }
        else if (fleet.Gateways.All(gateway => gateway.Url.Port != target.Port))
        {
            return await base.SendAsync(request, cancellationToken);
        }

        Interlocked.Increment(ref _sent);
        try
        {
            var answer = await base.SendAsync(request, cancellationToken);
            Note(string.Create(CultureInfo.InvariantCulture, $"{(int)answer.StatusCode}"));
            if (answer.StatusCode == HttpStatusCode.InternalServerError)
            {
                tally.Count("answers 500");
                tally.Event(
                    $"500 to a hostile client's {request.Method} {target.PathAndQuery} ({Kind.Value}): " +
                    $"{await answer.Content.ReadAsStringAsync(cancellationToken)}");
            }

            return answer;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            Note("none");
            throw;
        }
    }

    private void Note(string status) => tally.Count($"hostile: {Kind.Value}: {status}");
}
