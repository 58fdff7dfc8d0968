namespace OrleansCache.Gateway.Http;

/// <summary>The errors of another protocol, in the form that its clients show, instead of problem documents.</summary>
internal interface IErrorForm
{
    /// <summary>Does this request belong to that protocol, whether or not it has a route?</summary>
    bool IsWantedBy(HttpRequest request);

    Task WriteAsync(HttpContext http, HttpProblem problem, string? detail);
}
