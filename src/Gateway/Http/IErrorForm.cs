namespace OrleansCache.Gateway.Http;

/// <summary>Errors as the clients of another protocol show them, instead of problem documents.</summary>
internal interface IErrorForm
{
    /// <summary>Is this a request of that protocol, whether or not a route takes it?</summary>
    bool IsWantedBy(HttpRequest request);

    Task WriteAsync(HttpContext http, HttpProblem problem, string? detail);
}
