using System.Net;

namespace OrleansCache.Storm;

/// <summary>
/// What a load balancer before the gateways does: each attempt goes to one that answers its health check, and connections to one that stops
/// answering are cut. Now and then it loses an answer, after the gateway has done what was asked.
/// </summary>
internal sealed class Balancer(Fleet fleet, StormReport tally, Random random) : HttpMessageHandler
{
    private const int OneAnswerLostOf = 100;

    private readonly HttpMessageInvoker _inner =
        new(new SocketsHttpHandler { UseCookies = false, AutomaticDecompression = DecompressionMethods.GZip });
    private readonly Lock _gate = new();

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var (gateway, loses) = Choose();
        tally.Count("requests");
        var target = request.RequestUri!;
        request.RequestUri = new Uri(gateway.Url, target.PathAndQuery);
        using var cut = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, gateway.Serving);
        try
        {
            var answer = await _inner.SendAsync(request, cut.Token);
            // Read here, so that an answer that is cut in the middle is one that did not come.
            await answer.Content.LoadIntoBufferAsync(cut.Token);
            if (answer.StatusCode == HttpStatusCode.InternalServerError)
            {
                tally.Count("answers 500");
                tally.Event(
                    $"500 of gateway {gateway.Number} to {request.Method} {target.PathAndQuery}: " +
                    $"{await answer.Content.ReadAsStringAsync(cancellationToken)}");
            }

            if (!loses)
                return answer;
            tally.Count("answers lost");
            answer.Dispose();
            throw new HttpRequestException("the answer was lost");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new HttpRequestException($"the connection to gateway {gateway.Number} was cut");
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _inner.Dispose();
        }

        base.Dispose(disposing);
    }

    private (Gateway Gateway, bool Loses) Choose()
    {
        var healthy = fleet.Gateways.Where(gateway => gateway.IsHealthy).ToList();
        if (healthy.Count == 0)
            throw new HttpRequestException("no gateway answers");
        lock (_gate)
            return (healthy[random.Next(healthy.Count)], random.Next(OneAnswerLostOf) == 0);
    }
}
